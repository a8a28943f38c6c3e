"""Names of assets: for shells that complete them, and for patterns that match none."""

import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.app.desk import load_manifest
from pipeline.app.options import Choice
from pipeline.app.world import World
from pipeline.domain.errors import UserError
from pipeline.inputs import InputDesk
from pipeline.plan import Plan, make_plan


def asset_names(manifest: Path, begin: str, world: World) -> Iterator[str]:
    """Names of a manifest's assets that begin so, in the manifest's order. Reads no ledger and fetches nothing.

    Raises ManifestError.
    """
    loaded, catalogue = load_manifest(Choice(manifest=manifest), world)
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(loaded, InputDesk(Path(folder)), catalogue)
        yield from (name for name in names_of(plan) if name.startswith(begin))


def names_of(plan: Plan) -> Iterator[str]:
    """Names of a plan's assets in the manifest's order."""
    for cell in plan.cells_in_order():
        for candidate in cell.plan.candidates:
            for depth in range(len(cell.plan.step_ids)):
                yield cell.asset(candidate, depth)


def unmatched(plan: Plan, choice: Choice) -> Iterator[str]:
    """Patterns of ``--only`` and ``--again`` that no asset of the manifest has, each told in a line.

    Names are walked until every pattern has found one. A manifest without assets (an empty feed) has nothing to match.
    """
    said = [("--only", pattern) for pattern in choice.only] + [("--again", pattern) for pattern in choice.again]
    left = list(dict.fromkeys(said))
    is_empty = True
    for name in names_of(plan) if left else ():
        is_empty = False
        left = [(option, pattern) for option, pattern in left if not fnmatchcase(name, pattern)]
        if not left:
            return
    for option, pattern in () if is_empty else left:
        near = nearest(pattern, list(names_of(plan)))
        hint = f"did you mean '{near}'?" if near else f"see `pipeline plan {choice.place} --all`"
        yield f"{choice.manifest}: {option} '{pattern}' matches no asset ({hint})"


def refuse_unmatched(plan: Plan, choice: Choice) -> None:
    """Raises UserError for a pattern that matches no asset: mostly it is mistyped, and a night would pass unnoticed."""
    told = list(unmatched(plan, choice))
    if told:
        raise UserError("\n".join(told))


def nearest(pattern: str, names: Sequence[str]) -> str:
    """The pattern that was perhaps meant; empty when none is near. Part by part, the first that fits nowhere is
    corrected; a pattern that ends above the names gets a star."""
    import difflib  # noqa: PLC0415 -- only for a mistake

    alive = [name.split("/") for name in names]
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        fitting = [name for name in alive if len(name) > at and fnmatchcase(name[at], part)]
        if not fitting:
            close = difflib.get_close_matches(part, {name[at] for name in alive if len(name) > at}, n=1)
            return "/".join([*parts[:at], close[0], *parts[at + 1 :]]) if close else ""
        alive = fitting
    return f"{pattern}/*"
