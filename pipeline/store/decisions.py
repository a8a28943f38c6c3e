"""What a person decided, as text and back: it survives a lost ledger as a purchase does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from pipeline.domain.digest import Json
from pipeline.domain.record import AttemptId, Space
from pipeline.domain.step import AssetName, KeyParts, StepKey
from pipeline.store import sealed
from pipeline.store.receipt_text import read_parts

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a person said of an unknown attempt: ``billed``, ``not_billed`` or ``rebuy``."""

    attempt_id: AttemptId
    word: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Blessed:
    """A person kept the picture of an old key for a new one, for one asset."""

    manifest: str
    space: Space
    asset: AssetName
    old_key: StepKey
    new_key: StepKey
    parts: KeyParts
    decided_at: datetime


Decided: TypeAlias = Reconciled | Blessed


def to_bytes(decided: Decided) -> bytes:
    """Sealed JSON."""
    at = decided.decided_at.astimezone(UTC).isoformat(timespec="microseconds")
    body: dict[str, Json]
    match decided:
        case Reconciled():
            body = {"reconcile": {"attempt_id": decided.attempt_id, "word": decided.word}}
        case Blessed():
            body = {
                "bless": {
                    "manifest": decided.manifest,
                    "space": decided.space,
                    "asset": decided.asset,
                    "old_key": decided.old_key,
                    "new_key": decided.new_key,
                    "parts": decided.parts.as_json(),
                }
            }
    return sealed.seal({"version": VERSION, "decided_at": at, **body})


def from_bytes(data: bytes) -> Decided:
    """What `to_bytes` wrote. Raises ValueError, with a line, for anything else."""
    body = sealed.unseal(data, VERSION)
    decided_at = body.time("decided_at")
    if body.has("reconcile"):
        said = body.fields("reconcile")
        word = said.text("word")
        if word not in {"billed", "not_billed", "rebuy"}:
            raise ValueError("word: billed, not_billed or rebuy was expected")
        return Reconciled(attempt_id=AttemptId(said.text("attempt_id")), word=word, decided_at=decided_at)
    kept = body.fields("bless")
    new_key = StepKey(kept.digest("new_key"))
    return Blessed(
        manifest=kept.text("manifest"),
        space=Space(kept.text("space")),
        asset=AssetName(kept.text("asset")),
        old_key=StepKey(kept.digest("old_key")),
        new_key=new_key,
        parts=read_parts(kept.fields("parts"), new_key),
        decided_at=decided_at,
    )
