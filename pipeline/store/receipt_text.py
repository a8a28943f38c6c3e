"""The text of a receipt and back: strict in reading, because it may come from a damaged disk or a stranger."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from pipeline.domain.digest import Digest, Json
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Intent, IntentSlot, Kept, Outcome, RunId, Settlement, Space, State
from pipeline.domain.step import KEY_VERSION, Accept, AssetName, KeyParts, Protocol, Role, StepKey, step_key
from pipeline.store import sealed
from pipeline.store.sealed import Fields

VERSION: Final = 1
_DIGEST: Final = sealed.DIGEST
_MOST: Final = sealed.MOST
_LONGEST: Final = sealed.LONGEST
_TOLD: Final = 4_000
"""Characters of what a host said that are kept."""


def _plain(kind: type[Intent | Settlement], *others: str) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in others)


_OF_INTENT: Final = _plain(Intent, "slots", "opened_at", "notes")
_OF_SETTLEMENT: Final = _plain(Settlement, "outcome", "ended_at", "kept", "usage", "resolved", "categories", "message")
"""Fields that are in a receipt as they are."""


def to_bytes(intent: Intent, settlement: Settlement) -> bytes:
    """A line of JSON, sealed with the SHA-256 of its own canonical form. No picture, no base64, no key is in it."""
    return sealed.seal({"version": VERSION, "intent": _intent(intent), "settlement": _settlement(settlement)})


def from_bytes(data: bytes) -> tuple[Intent, Settlement]:
    """What `to_bytes` wrote. Raises ValueError, with a line, for anything else."""
    body = sealed.unseal(data, VERSION)
    intent = _read_intent(body.fields("intent"))
    settlement = _read_settlement(body.fields("settlement"))
    if settlement.attempt_id != intent.attempt_id or len(settlement.kept) > _MOST:
        raise ValueError("its two halves do not belong together")
    return intent, settlement


def intent_to_bytes(intent: Intent) -> bytes:
    """An intent alone, sealed as a receipt is: what the spool has of an attempt that is on its way."""
    return sealed.seal({"version": VERSION, "intent": _intent(intent)})


def intent_from_bytes(data: bytes) -> Intent:
    """What `intent_to_bytes` wrote. Raises ValueError, with a line, for anything else."""
    return _read_intent(sealed.unseal(data, VERSION).fields("intent"))


def _intent(intent: Intent) -> dict[str, Json]:
    plain = {name: getattr(intent, name) for name in _OF_INTENT}
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
    plain = {name: getattr(settlement, name) for name in _OF_SETTLEMENT}
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


def _read_intent(body: Fields) -> Intent:
    return Intent(
        attempt_id=AttemptId(body.text("attempt_id")),
        run_id=RunId(body.text("run_id")),
        space=Space(body.text("space")),
        manifest=body.text("manifest"),
        provider=body.text("provider"),
        endpoint=body.text("endpoint"),
        protocol=body.text("protocol"),
        model=body.text("model"),
        slots=tuple(_read_slot(Fields(slot)) for slot in body.items("slots")),
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


def _read_slot(body: Fields) -> IntentSlot:
    key = StepKey(body.digest("key"))
    parts = read_parts(body.fields("parts"), key)
    accept = _read_accept(body.fields("accept")) if body.has("accept") else Accept()
    return IntentSlot(key=key, parts=parts, asset=AssetName(body.text("asset")), accept=accept)


def read_parts(raw: Fields, key: StepKey) -> KeyParts:
    """The parts of a key. Raises ValueError also when they are the parts of another one."""
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
    return parts


def _read_accept(body: Fields) -> Accept:
    match (body.text("size"), body.text("format")):
        case ("any" | "exact" as size, "any" | "exact" as form):
            return Accept(size=size, format=form)
    raise ValueError("accept: any or exact was expected")


def _read_input(entry: Json) -> tuple[Role, Digest]:
    match entry:
        case ["image" | "mask" as role, str(digest)] if _DIGEST.fullmatch(digest):
            return role, Digest(digest)
    raise ValueError("inputs: a role and a SHA-256 were expected")


def _read_settlement(body: Fields) -> Settlement:
    return Settlement(
        attempt_id=AttemptId(body.text("attempt_id")),
        outcome=Outcome(body.text("outcome")),
        ended_at=body.time("ended_at"),
        space=Space(body.text("space")),
        kept=tuple(_read_kept(Fields(kept)) for kept in body.items("kept")),
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


def _read_kept(body: Fields) -> Kept:
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
