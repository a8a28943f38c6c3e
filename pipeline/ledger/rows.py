"""How values become columns and columns values: times, digests, JSON, redaction; no SQL."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from pipeline.domain.digest import Digest, Json, canonical_json
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, AttemptRow, RunId, RunRow, Slot, Space, State
from pipeline.domain.step import AssetName, KeyParts, StepKey

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Tables, since calling an enumeration costs as much as the rest of a look-up's row.
STATES: Final = {state.value: state for state in State}
_FORMATS: Final = {kind.value: kind for kind in Format}
_MICROSECOND: Final = timedelta(microseconds=1)

# A belt to the provider's braces: no key and no picture gets into the ledger, whoever forgot to cut it out.
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{160,}={0,2}")
_SECRET: Final = re.compile(r"\b(?:sk-[A-Za-z0-9_-]{6,}|Bearer\s+[A-Za-z0-9._~+/=-]{6,})")
_LONGEST: Final = 4_000


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC. A naive time is an error of ours: ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def moment_or_none(microseconds: int | None) -> datetime | None:
    """The time in UTC; None stays None."""
    return None if microseconds is None else moment(microseconds)


def clean(text: str) -> str:
    """*text* without anything that looks like a key or an encoded picture, at most 4,000 characters."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) >= 9:
        text = _SECRET.sub("(secret)", text)
    if len(text) >= 160:
        text = _BASE64.sub(lambda run: f"({len(run[0])} characters)", text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def clean_json(value: Json) -> Json:
    """The same for every string of a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {str(name): clean_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(part) for part in value]
    return value


def texts(lines: Iterable[str]) -> str | None:
    """Some lines as one column; None for none (most rows have none, and NULL takes no room)."""
    kept = [clean(line) for line in lines]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def lines(column: str | None) -> tuple[str, ...]:
    """What `texts` wrote."""
    return tuple(json.loads(column)) if column else ()


def mapping(values: Mapping[str, Any]) -> str | None:
    """A JSON object as a column; None when empty."""
    return canonical_json(clean_json(dict(values))).decode("utf-8") if values else None


def text_or_none(value: str) -> str | None:
    """Cleaned text as a column; None when empty."""
    return clean(value) if value else None


def parts_text(parts: KeyParts) -> str:
    """The parts of a key as they are hashed; a lone surrogate, which SQLite cannot hold, as its JSON escape."""
    text = canonical_json(parts.as_json()).decode("utf-8", "surrogatepass")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parts_of(column: str) -> KeyParts:
    """The parts of a key from what `parts_text` wrote."""
    stored = json.loads(column)
    return KeyParts(
        protocol=stored["protocol"],
        model=stored["model"],
        params=stored.get("params", {}),
        prompt=stored["prompt"],
        inputs=tuple((role, Digest(digest)) for role, digest in stored.get("inputs", ())),
        candidate=stored["candidate"],
    )


def image_columns(image: Image) -> tuple[object, ...]:
    """``sha256, bytes, format, width, height, has_alpha, transparent`` of a picture."""
    facts = image.facts
    kind = facts.format.value
    sha256 = bytes.fromhex(image.digest)
    return sha256, image.size, kind, facts.width, facts.height, facts.has_alpha, facts.transparent_share


NO_IMAGE: Final = (None,) * 7
"""The same columns where there is no picture."""


def image_or_none(columns: Sequence[Any]) -> Image | None:
    """The picture of ``sha256, bytes, format, width, height, has_alpha, transparent``; None when there is none."""
    sha256, size, kind, width, height, has_alpha, transparent = columns
    if sha256 is None or size is None:
        return None
    return Image(digest=sha256.hex(), size=size, facts=_facts(kind, width, height, has_alpha, transparent))


@lru_cache(maxsize=1024)
def _facts(kind: str, width: int, height: int, has_alpha: int, transparent: float | None) -> Facts:
    """Facts as columns have them; the same object for the many pictures that are alike."""
    return Facts(
        format=_FORMATS[kind], width=width, height=height, has_alpha=bool(has_alpha), transparent_share=transparent
    )


def slot_of(row: tuple[Any, ...]) -> Slot:
    """A slot, from the columns of `queries_assets.SLOTS`. Made a million times in a plan: nothing is called twice."""
    key, state, reason, attempt_id, run_id, usd, updated_at, warnings, *picture = row
    return Slot(
        key.hex(),
        STATES[state],
        reason,
        image_or_none(picture),
        run_id,
        attempt_id,
        usd,
        lines(warnings) if warnings else (),
        _EPOCH + timedelta(0, 0, updated_at),
    )


def run_of(row: tuple[Any, ...]) -> RunRow:
    """A run, from the columns of `queries.RUNS`."""
    run_id, manifest, space, started_at, ended_at, code, requests, retries, images, spent, unknown = row
    return RunRow(
        run_id=RunId(run_id),
        manifest=manifest,
        space=Space(space),
        started_at=moment(started_at),
        ended_at=moment_or_none(ended_at),
        exit=code,
        requests=requests,
        retries=retries,
        images=images,
        spent=MicroUsd(spent),
        unknown=MicroUsd(unknown),
    )


def attempt_of(row: tuple[Any, ...]) -> AttemptRow:
    """An attempt, from the columns of `queries.ATTEMPTS`."""
    (attempt_id, run_id, space, manifest, provider, endpoint, model, started_at, ended_at, outcome, decision) = row[:11]
    (status, code, request_id, cost, cost_high, estimated, message, seconds, culprit, boot_id) = row[11:21]
    keys, assets, revised_prompt = row[21:]
    return AttemptRow(
        attempt_id=AttemptId(attempt_id),
        run_id=RunId(run_id),
        space=Space(space),
        manifest=manifest,
        assets=tuple(AssetName(name) for name in json.loads(assets)),
        keys=tuple(StepKey(key.lower()) for key in json.loads(keys)),
        provider=provider,
        endpoint=endpoint,
        model=model,
        started_at=moment(started_at),
        ended_at=moment_or_none(ended_at),
        outcome="failed" if decision else outcome or "sent",
        http_status=status or 0,
        error_code=code or "",
        request_id=request_id or "",
        usd=MicroUsd(cost),
        cost_high=MicroUsd(cost_high),
        estimated=bool(estimated),
        message=message or "",
        seconds=seconds or 0.0,
        culprit=culprit or "",
        boot_id=boot_id,
        revised_prompt=revised_prompt or "",
    )
