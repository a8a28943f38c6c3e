"""The end of a run: its exit status, its sheet and its report."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.app.exits import Exit, worst
from pipeline.app.options import RunOptions
from pipeline.app.placing import Placing
from pipeline.app.report import RunReport
from pipeline.app.shop import Shop
from pipeline.app.showing import show_manifest
from pipeline.app.tally import Tally
from pipeline.domain.errors import MachineError
from pipeline.domain.record import State
from pipeline.schedule import ScheduleResult

WORST = (State.UNKNOWN, State.REFUSED, State.FAILED, State.SKIPPED, State.WAITING)
"""What a person should read first."""


def exits_of(tally: Tally, options: RunOptions, result: ScheduleResult, placing: Placing) -> Iterator[int]:
    """Every status that applies to a run."""
    yield from result.exits
    if placing.fault is not None:
        yield Exit.FAULT
    if tally.unknown_attempts and "unknown" not in options.accept:
        yield Exit.UNKNOWN
    missing = {"failed": tally.count(State.FAILED), "refused": tally.count(State.REFUSED)}
    if any(count for word, count in missing.items() if word not in options.accept):
        yield Exit.NOT_ALL


def exit_of(shop: Shop, result: ScheduleResult, placing: Placing, older_unknown: int) -> int:
    """The one status that is told: the first that applies; older unknown outcomes rank just above 0."""
    told = worst(exits_of(shop.tally, shop.options, result, placing))
    if not told and older_unknown and "unknown" not in shop.options.accept:
        return Exit.UNKNOWN
    return told


def finish(shop: Shop, result: ScheduleResult, placing: Placing, *, exit_status: int, seconds: float) -> RunReport:
    """Writes sheet and index, touches the stamp, and says what the run came to. Blocks."""
    sheet: Path | None = None
    stops = [stop.why if not stop.lane else f"{stop.lane}: {stop.why}" for stop in result.stops]
    if placing.fault is not None:
        stops.append(str(placing.fault))
    try:
        sheet = show_manifest(shop.manifest, shop.ledger, shop.places, shop.world, page=shop.options.sheet)
    except (MachineError, OSError) as error:
        stops.append(f"the sheet could not be written: {error}")
        exit_status = exit_status or Exit.FAULT
    if exit_status == 0 and shop.options.stamp is not None:
        shop.options.stamp.parent.mkdir(parents=True, exist_ok=True)
        shop.options.stamp.touch()
    older = len(shop.ledger.unknown(shop.manifest.name))
    return RunReport(
        run_id=shop.run_id,
        manifest=shop.manifest.name,
        exit=exit_status,
        tally=shop.tally,
        seconds=seconds,
        sheet=sheet,
        folder=shop.places.output / shop.manifest.name,
        trouble=tuple(sorted(placing.trouble, key=lambda row: (WORST.index(row.state), row.asset))),
        stops=tuple(stops),
        older_unknown=older,
        next_steps=tuple(next_steps(shop, older)),
    )


def next_steps(shop: Shop, unknown: int) -> Iterator[str]:
    """Commands worth typing now, at most three."""
    file = shop.options.choice.manifest
    tally = shop.tally
    if unknown:
        yield f"pipeline reconcile {file}      # {unknown} outcome{'s' if unknown > 1 else ''} nobody knows"
    if tally.count(State.REFUSED):
        yield f"pipeline run {file} --retry refused      # asks refused ones again; better change their prompt"
    if tally.count(State.FAILED):
        yield f"pipeline status {file}      # what failed and why"
    if tally.count(State.PLANNED) and not unknown:
        yield f"pipeline run {file}      # goes on where this run stopped"
