"""The end of a run: its exit status, its sheet and its report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.app.exits import Exit, worst
from pipeline.app.nightly.sidecar import write_sidecars
from pipeline.app.options import Choice, RunOptions
from pipeline.app.placing import Placing
from pipeline.app.report import RunReport
from pipeline.app.shop import Shop
from pipeline.app.showing import Closing, current_rows, show_manifest, spaces_of
from pipeline.app.tally import Tally
from pipeline.domain.errors import MachineError
from pipeline.domain.event import Note
from pipeline.domain.record import PAID, State
from pipeline.schedule import ScheduleResult

WORST = (State.UNKNOWN, State.REFUSED, State.FAILED, State.SKIPPED, State.WAITING)
"""What a person should read first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run went. fault: of the machine, although the run went on to its end. older_unknown: unsettled attempts of
    earlier runs. seconds: wall time."""

    result: ScheduleResult
    placing: Placing
    fault: MachineError | None
    older_unknown: int
    seconds: float


def exits_of(tally: Tally, options: RunOptions, ending: Ending) -> Iterator[int]:
    """Every status that applies to a run."""
    yield from ending.result.exits
    if ending.fault is not None:
        yield Exit.FAULT
    if tally.unknown_attempts and "unknown" not in options.accept:
        yield Exit.UNKNOWN
    missing = {"failed": tally.count(State.FAILED), "refused": tally.count(State.REFUSED)}
    if any(count for word, count in missing.items() if word not in options.accept):
        yield Exit.NOT_ALL


def exit_of(tally: Tally, options: RunOptions, ending: Ending) -> int:
    """The one status that is told: the first that applies; older unknown outcomes rank just above 0."""
    told = worst(exits_of(tally, options, ending))
    # An asset may also wait for an attempt of another manifest that asks the same.
    held = ending.older_unknown or tally.count(State.UNKNOWN)
    if not told and held and "unknown" not in options.accept:
        return Exit.UNKNOWN
    return told


def finish(shop: Shop, ending: Ending, hurried: Callable[[], bool]) -> RunReport:
    """Writes sheet and index, touches the stamp, and says what the run came to. Blocks.

    hurried: whether a second signal came; thumbnails that lack are then left for the next sheet.
    """
    exit_status = exit_of(shop.tally, shop.options, ending)
    stops = [stop.why if not stop.lane else f"{stop.lane}: {stop.why}" for stop in ending.result.stops]
    if ending.fault is not None and str(ending.fault) not in stops:
        stops.append(str(ending.fault))
    sheet: Path | None = None
    try:
        _follow_host(shop)
        closing = Closing(run_id=shop.run_id, exit=exit_status)
        sheet = show_manifest(
            shop.manifest,
            shop.ledger,
            shop.places,
            shop.world,
            page=shop.options.sheet,
            closing=closing,
            hurried=hurried,
        )
    except (MachineError, OSError) as error:
        stops.append(f"the sheet could not be written: {error}")
        exit_status = worst((exit_status, Exit.FAULT))
    if exit_status == 0 and shop.options.stamp is not None:
        exit_status = _stamp(shop.options.stamp, stops)
    older = len(shop.ledger.unknown(shop.manifest.name))
    report = RunReport(
        run_id=shop.run_id,
        manifest=shop.manifest.name,
        exit=exit_status,
        tally=shop.tally,
        seconds=ending.seconds,
        sheet=sheet,
        folder=shop.places.output / shop.manifest.name,
        trouble=tuple(sorted(ending.placing.trouble, key=lambda row: (WORST.index(row.state), row.asset))),
        stops=tuple(stops),
        older_unknown=older,
        next_steps=tuple(next_steps(shop, older)),
        ideas=tuple(ideas(shop.options.choice)),
    )
    return _delivered(shop, report)


def _follow_host(shop: Shop) -> None:
    """Moves what this run wrote of assets that brought nothing, before an answer taught that their host is our own
    gateway, to the space of its pictures: else they would be missing from everything that shows this run."""
    spaces = spaces_of(shop.manifest, shop.ledger)
    if all(space == PAID for space in spaces.values()):
        return
    left = [
        row
        for row in shop.ledger.assets(shop.manifest.name, PAID)
        if row.run_id == shop.run_id
        and row.image is None
        and row.previous is None
        and spaces.get(row.model_alias, PAID) != PAID
    ]
    if left:
        with shop.ledger.together():
            shop.ledger.record_assets(row._replace(space=spaces[row.model_alias]) for row in left)
            shop.ledger.drop_assets(shop.manifest.name, PAID, [row.asset for row in left])


def _delivered(shop: Shop, report: RunReport) -> RunReport:
    """Writes what is left for other programs; the report says when that failed."""
    try:
        if shop.manifest.output.sidecar:
            rows = current_rows(shop.manifest, shop.ledger)
            for note in write_sidecars(rows, shop.ledger, report.folder, shop.manifest.output):
                shop.recorder(Note(text=note))
        if shop.options.delivery:
            shop.options.delivery.add(report, current_rows(shop.manifest, shop.ledger), shop.options.accept)
    except (MachineError, OSError) as error:
        return replace(report, exit=worst((report.exit, Exit.FAULT)), stops=(*report.stops, str(error)))
    return report


def _stamp(stamp: Path, stops: list[str]) -> int:
    """Touches the file that make looks at; gives the exit status of that."""
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    except OSError as error:
        stops.append(f"{stamp}: cannot be touched: {error.strerror}")
        return Exit.FAULT
    return Exit.OK


def next_steps(shop: Shop, unknown: int) -> Iterator[str]:
    """Commands that settle what this run left, the most urgent first."""
    choice, tally = shop.options.choice, shop.tally
    if unknown:
        yield f"pipeline reconcile {choice.place}      # {unknown} outcome{'s' if unknown > 1 else ''} nobody knows"
    if tally.count(State.REFUSED):
        again = replace(choice, retry_refused=True).typed
        yield f"pipeline run {again}      # asks refused ones again; better change their prompt"
    if tally.count(State.FAILED):
        yield f"pipeline status {choice.seen}      # what failed and why"
    if tally.count(State.PLANNED):
        yield f"pipeline run {choice.typed}      # goes on where this run stopped"


def ideas(choice: Choice) -> Iterator[str]:
    """What a person may want to do with what is there, where nothing is left to settle."""
    yield f"pipeline plan {choice.seen}      # after a change: what it would cost, before it is bought"
    yield f"pipeline run {choice.seen} --again ASSET      # another look at a picture; the old one is kept"
    yield f"pipeline status {choice.seen}      # how everything stands, and the money"
