"""Why a picture was made: what differed from the picture the asset had before."""

from collections.abc import Mapping, Sequence

from pipeline.domain.digest import Json
from pipeline.domain.record import AssetRow, AttemptRow, Delivery
from pipeline.domain.step import KeyParts, StepKey
from pipeline.plan.why import Difference, differences

_LONGEST = 80


def reason_for(
    row: AssetRow, own: Sequence[Delivery], attempts: Sequence[AttemptRow], parts: Mapping[StepKey, KeyParts]
) -> str:
    """One line on why the asset's present picture was made; empty without a picture.

    own: the pictures brought for this asset, the oldest first. parts: of every key in question, as far as known.
    """
    if row.image is None:
        return ""
    at = next((at for at in reversed(range(len(own))) if own[at].digest == row.image.digest), None)
    if at is None:
        return _taken_over(row, attempts)
    kept = own[at]
    if row.key is not None and row.key != kept.key:
        return f"kept for a changed request by `pipeline bless`: {_changes(kept.key, row.key, row, parts)}"
    before = own[at - 1] if at else None
    if before is None:
        return "asked for the first time"
    if before.key == kept.key:
        return "asked anew, although nothing had changed"
    return f"asked again: {_changes(before.key, kept.key, row, parts)}"


def _taken_over(row: AssetRow, attempts: Sequence[AttemptRow]) -> str:
    others = [attempt for attempt in attempts if row.asset not in attempt.assets or attempt.manifest != row.manifest]
    if not others:
        return "was in the ledger already"
    asset, manifest = others[-1].assets[0], others[-1].manifest
    where = "" if manifest == row.manifest else f" of {manifest}"
    return f"asks for the same as {asset}{where}, so it was not bought again"


def _changes(old: StepKey, new: StepKey, row: AssetRow, parts: Mapping[StepKey, KeyParts]) -> str:
    if old not in parts or new not in parts:
        return "the request changed"
    found = differences(parts[old].as_json(), parts[new].as_json(), chained=row.parent is not None)
    return ", ".join(_told(difference) for difference in found) or "nothing changed"


def _told(difference: Difference) -> str:
    name = difference.part.removeprefix("params.")
    if difference.old is None or difference.new is None:
        return difference.words
    if difference.part.startswith(("image", "mask", "parent")):
        return f"{'the picture before it' if name == 'parent' else name} has other bytes"
    old, new = _short(difference.old), _short(difference.new)
    return f"{name} {old} → {new}" if len(old) + len(new) <= _LONGEST else f"{name} changed"


def _short(value: Json) -> str:
    return value if isinstance(value, str) else str(value)
