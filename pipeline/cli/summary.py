"""The end of a run in a few lines: what was made, reused and spent, what is missing and why, what to do next."""

from collections import Counter
from collections.abc import Sequence

from pipeline.app.report import RunReport, why_missing
from pipeline.app.tally import Tally
from pipeline.cli.screen import clean, clock, wrapped
from pipeline.domain.money import show
from pipeline.domain.record import AssetRow, State

SHOWN = 8
"""Missing assets that are named one by one; the sheet names them all."""

STEPS = 3
"""Things to do next: more are not done."""

STYLES = {"good": "32", "bad": "31", "dim": "2"}


def summary(report: RunReport, *, color: bool, width: int = 0) -> str:
    """The summary, without a final newline. width: of the terminal it is for; 0 for none."""
    lines = [headline(report), money_line(report.tally)]
    trouble = [f"  {line}" for line in trouble_lines(report)]
    stops = [f"stopped: {stop}" for stop in report.stops]
    after = [f"sheet    {report.sheet}"] if report.sheet is not None else []
    steps = [*report.next_steps, *(idea for idea in report.ideas if not _is_told(idea, report.next_steps))]
    if steps:
        after += ["next", *(f"  {step}" for step in steps[:STEPS])]
    told = [paint(wrapped(line, width), "bad", color=color) for line in trouble]
    return "\n".join(
        [*(wrapped(line, width) for line in lines), *told, *(wrapped(line, width) for line in [*stops, *after])]
    )


def _is_told(idea: str, steps: Sequence[str]) -> bool:
    """Whether one of the steps is the same command."""
    return any(step.partition("  #")[0] == idea.partition("  #")[0] for step in steps)


def paint(text: str, style: str, *, color: bool) -> str:
    """The text in a style where colours are shown."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if color else text


def headline(report: RunReport) -> str:
    """``quickstart: 27 assets: 27 made, 0 reused, in 3 s``."""
    tally = report.tally
    made, total = tally.count(State.DONE), tally.assets()["total"]
    parts = [f"{made} made", f"{tally.cached} reused"]
    for state in (State.FAILED, State.REFUSED, State.UNKNOWN, State.SKIPPED, State.PLANNED):
        count = tally.count(state)
        if count:
            parts.append(f"{count} {'left for the next run' if state is State.PLANNED else state.value}")
    line = f"{report.manifest}: {total} assets: {', '.join(parts)}, in {clock(report.seconds)}"
    if not tally.requests:
        line += "; nothing was asked"
    return line


def money_line(tally: Tally) -> str:
    """What was sent, spent, is unknown, and what reuse saved."""
    line = f"{tally.requests} request{'s' if tally.requests != 1 else ''}"
    if tally.retries:
        line += f" ({tally.retries} of them repeats)"
    line += f", {show(tally.spent)} spent"
    if tally.unknown:
        line += f", {show(tally.unknown)} unknown (counted against the budget until reconciled)"
    if tally.saved:
        line += f", {show(tally.saved)} saved by reuse"
    return line


def trouble_lines(report: RunReport) -> list[str]:
    """The first missing assets by name, the rest as counts by cause."""
    lines = [_missing(row) for row in report.trouble[:SHOWN]]
    rest = report.trouble[SHOWN:]
    if rest:
        causes = Counter((row.state.value, row.reason) for row in rest)
        told = ", ".join(
            f"{count} {state}{f' ({clean(why, 60)})' if why else ''}" for (state, why), count in causes.items()
        )
        lines.append(f"and {len(rest)} more: {told}")
    return lines


def _missing(row: AssetRow) -> str:
    why = clean(why_missing(row), 160)
    return f"{row.state.value:<8} {clean(row.asset, 100)}" + (f"  {why}" if why else "")
