"""The text of a receipt and back: strict in reading, because it may come from a damaged disk or a stranger."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from pipeline.domain.digest import Digest, Json, canonical_json, digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Intent, IntentSlot, Kept, Outcome, RunId, Settlement, Space, State
from pipeline.domain.step import KEY_VERSION, Accept, AssetName, KeyParts, Protocol, Role, StepKey, step_key

VERSION: Final = 1
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MOST: Final = 1000
_LONGEST: Final = 100_000
_TOLD: Final = 4_000
"""Characters of what a host said that are kept."""


def to_bytes(intent: Intent, settlement: Settlement) -> bytes:
    """Indented JSON, sealed with the SHA-256 of its own canonical form. No picture, no base64, no key is in it."""
    body: dict[str, Json] = {"version": VERSION, "intent": _intent(intent), "settlement": _settlement(settlement)}
    sealed = {**body, "sha256": digest_of(canonical_json(body))}
    return json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass") + b"\n"


def from_bytes(data: bytes) -> tuple[Intent, Settlement]:
    """What `to_bytes` wrote. Raises ValueError, with a line, for anything else."""
    try:
        loaded = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    body = _Fields(loaded)
    seal = body.text("sha256")
    if digest_of(canonical_json({key: value for key, value in body.all().items() if key != "sha256"})) != seal:
        raise ValueError("its seal is broken: the text was damaged or changed")
    if body.number("version") != VERSION:
        raise ValueError("written by another version of this program")
    intent = _read_intent(body.fields("intent"))
    settlement = _read_settlement(body.fields("settlement"))
    if settlement.attempt_id != intent.attempt_id or len(settlement.kept) > _MOST:
        raise ValueError("its two halves do not belong together")
    return intent, settlement


def _intent(intent: Intent) -> dict[str, Json]:
    plain = {
        field.name: getattr(intent, field.name)
        for field in dataclasses.fields(intent)
        if field.name not in {"slots", "opened_at", "notes"}
    }
    slots: list[Json] = [
        {
            "key": slot.key,
            "asset": slot.asset,
            "parts": slot.parts.as_json(),
            "accept": {"size": slot.accept.size, "format": slot.accept.format},
        }
        for slot in intent.slots
    ]
    return {**plain, "opened_at": _time(intent.opened_at), "notes": list(intent.notes), "slots": slots}


def _settlement(settlement: Settlement) -> dict[str, Json]:
    plain = {
        field.name: getattr(settlement, field.name)
        for field in dataclasses.fields(settlement)
        if field.name not in {"outcome", "ended_at", "kept", "usage", "resolved", "categories", "message"}
    }
    return {
        **plain,
        "outcome": settlement.outcome.value,
        "ended_at": _time(settlement.ended_at),
        "message": settlement.message[:_TOLD],
        "categories": list(settlement.categories),
        "usage": dict(settlement.usage),
        "resolved": {name: value[:_TOLD] for name, value in settlement.resolved.items()},
        "kept": [_kept(kept) for kept in settlement.kept],
    }


def _kept(kept: Kept) -> dict[str, Json]:
    facts = kept.image.facts
    return {
        "digest": kept.image.digest,
        "bytes": kept.image.size,
        "format": facts.format.value,
        "width": facts.width,
        "height": facts.height,
        "has_alpha": facts.has_alpha,
        "transparent_share": facts.transparent_share,
        "slot": kept.slot,
        "state": kept.state.value,
        "reason": kept.reason,
        "revised_prompt": kept.revised_prompt[:_LONGEST],
        "warnings": list(kept.warnings),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class _Fields:
    """A JSON object whose fields are read by name and type; anything else is a ValueError that names the field."""

    __slots__ = ("_values",)

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError("an object was expected")  # noqa: TRY004 - every fault of a text is a ValueError here
        self._values: dict[str, Json] = value

    def all(self) -> dict[str, Json]:
        return self._values

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise ValueError(f"{name}: text was expected")
        return value

    def number(self, name: str) -> int:
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
            raise ValueError(f"{name}: a whole number was expected")
        return value

    def real(self, name: str) -> float:
        value = self._values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"{name}: a number was expected")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise ValueError(f"{name}: true or false was expected")  # noqa: TRY004 - as above
        return value

    def digest(self, name: str) -> Digest:
        value = self.text(name)
        if not _DIGEST.fullmatch(value):
            raise ValueError(f"{name}: a SHA-256 was expected")
        return Digest(value)

    def time(self, name: str) -> datetime:
        moment = datetime.fromisoformat(self.text(name))
        if moment.tzinfo is None:
            raise ValueError(f"{name}: a time with its zone was expected")
        return moment

    def fields(self, name: str) -> "_Fields":
        return _Fields(self._values.get(name))

    def mapping(self, name: str) -> dict[str, Json]:
        return self.fields(name).all()

    def items(self, name: str) -> list[Json]:
        value = self._values.get(name)
        if not isinstance(value, list) or len(value) > _MOST:
            raise ValueError(f"{name}: a list was expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{name}: a list of texts was expected")
        return tuple(cast("list[str]", values))

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None


def _read_intent(body: _Fields) -> Intent:
    return Intent(
        attempt_id=AttemptId(body.text("attempt_id")),
        run_id=RunId(body.text("run_id")),
        space=Space(body.text("space")),
        manifest=body.text("manifest"),
        provider=body.text("provider"),
        endpoint=body.text("endpoint"),
        protocol=body.text("protocol"),
        model=body.text("model"),
        slots=tuple(_read_slot(_Fields(slot)) for slot in body.items("slots")),
        cost_low=MicroUsd(body.number("cost_low")),
        cost_high=MicroUsd(body.number("cost_high")),
        request_digest=Digest(body.text("request_digest")),
        key_fingerprint=body.text("key_fingerprint"),
        boot_id=body.text("boot_id"),
        opened_at=body.time("opened_at"),
        notes=body.texts("notes"),
        # Added after the first receipts were written: those do without.
        preset=body.text("preset") if body.has("preset") else "",
        price=MicroUsd(body.number("price")) if body.has("price") else None,
    )


def _read_slot(body: _Fields) -> IntentSlot:
    key = StepKey(body.digest("key"))
    raw = body.fields("parts")
    parts = KeyParts(
        protocol=cast("Protocol", raw.text("protocol")),
        model=raw.text("model"),
        params=raw.mapping("params") if raw.has("params") else {},
        prompt=raw.text("prompt"),
        inputs=tuple(_read_input(entry) for entry in raw.items("inputs")) if raw.has("inputs") else (),
        candidate=raw.number("candidate"),
    )
    if raw.number("key_version") == KEY_VERSION and step_key(parts) != key:
        raise ValueError("key: it is not the key of its parts")
    accept = _read_accept(body.fields("accept")) if body.has("accept") else Accept()
    return IntentSlot(key=key, parts=parts, asset=AssetName(body.text("asset")), accept=accept)


def _read_accept(body: _Fields) -> Accept:
    match (body.text("size"), body.text("format")):
        case ("any" | "exact" as size, "any" | "exact" as form):
            return Accept(size=size, format=form)
    raise ValueError("accept: any or exact was expected")


def _read_input(entry: Json) -> tuple[Role, Digest]:
    match entry:
        case ["image" | "mask" as role, str(digest)] if _DIGEST.fullmatch(digest):
            return role, Digest(digest)
    raise ValueError("inputs: a role and a SHA-256 were expected")


def _read_settlement(body: _Fields) -> Settlement:
    return Settlement(
        attempt_id=AttemptId(body.text("attempt_id")),
        outcome=Outcome(body.text("outcome")),
        ended_at=body.time("ended_at"),
        space=Space(body.text("space")),
        kept=tuple(_read_kept(_Fields(kept)) for kept in body.items("kept")),
        reason=body.text("reason"),
        http_status=body.number("http_status"),
        error_code=body.text("error_code"),
        request_id=body.text("request_id"),
        remote_id=body.text("remote_id"),
        message=body.text("message"),
        seconds=body.real("seconds"),
        cost=MicroUsd(body.number("cost")),
        cost_high=MicroUsd(body.number("cost_high")),
        estimated=body.flag("estimated"),
        usage=body.mapping("usage"),
        resolved=_read_resolved(body.mapping("resolved")),
        stage=body.text("stage"),
        categories=body.texts("categories"),
        culprit=body.text("culprit"),
        recovered=body.flag("recovered"),
    )


def _read_resolved(raw: Mapping[str, Json]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in raw.values()):
        raise ValueError("resolved: texts were expected")
    return cast("dict[str, str]", dict(raw))


def _read_kept(body: _Fields) -> Kept:
    facts = Facts(
        format=Format(body.text("format")),
        width=body.number("width"),
        height=body.number("height"),
        has_alpha=body.flag("has_alpha"),
        transparent_share=body.real("transparent_share") if body.has("transparent_share") else None,
    )
    return Kept(
        image=Image(digest=body.digest("digest"), size=body.number("bytes"), facts=facts),
        slot=body.number("slot") if body.has("slot") else None,
        state=State(body.text("state")),
        reason=body.text("reason"),
        revised_prompt=body.text("revised_prompt"),
        warnings=body.texts("warnings"),
    )
