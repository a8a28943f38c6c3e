"""The summary page in Markdown, for the job pages of CI systems: a table, what is missing, thumbnails, the cost."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from pipeline.app.nightly.message import words_of
from pipeline.app.report import RunReport, why_missing
from pipeline.domain.money import show
from pipeline.domain.record import AssetRow, State

PICTURES = 24
"""Thumbnails on a page; the sheet shows them all."""

MISSING = 50
"""Missing assets that are listed."""

STATES = (State.DONE, State.FAILED, State.REFUSED, State.UNKNOWN, State.SKIPPED, State.PLANNED)


def section(report: RunReport, rows: Sequence[AssetRow], page: Path) -> str:
    """One run. page: where the text will lie; pictures are linked relative to it."""
    return "\n".join(_lines(report, rows, page)) + "\n"


def broken_section(manifest: str, fault: str) -> str:
    """A manifest that could not be run."""
    return f"## {plain(manifest)}\n\n**It did not run:** {plain(fault)}\n"


def _lines(report: RunReport, rows: Sequence[AssetRow], page: Path) -> Iterator[str]:
    tally = report.tally
    yield f"## {plain(report.manifest)}"
    yield ""
    made = f"{tally.count(State.DONE)} made, {tally.cached} reused, in {report.seconds:.0f} s"
    yield f"**{words_of(report.exit)}** (exit {report.exit}), {made}"
    yield ""
    yield from _table(rows)
    yield ""
    cost = f"**Cost**: {show(tally.spent)} spent"
    cost += f", {show(tally.unknown)} unknown" if tally.unknown else ""
    cost += f", {show(tally.saved)} saved by reuse" if tally.saved else ""
    yield f"{cost}; {tally.requests} requests, {tally.retries} of them repeats"
    yield ""
    yield from (f"Stopped: {plain(stop)}\n" for stop in report.stops)
    yield from _missing(rows)
    yield from _pictures(report, rows, page)
    if report.next_steps:
        yield "### Next\n"
        yield "```console"
        yield from report.next_steps
        yield "```"
    if report.sheet is not None:
        yield f"\n[Contact sheet]({_link(report.sheet, page)})"


def _table(rows: Sequence[AssetRow]) -> Iterator[str]:
    shots: dict[str, Counter[State]] = {}
    for row in rows:
        shots.setdefault(row.shot, Counter())[row.state] += 1
    used = [state for state in STATES if state is State.DONE or any(counts[state] for counts in shots.values())]
    yield "| shot | " + " | ".join(state.value for state in used) + " |"
    yield "| --- |" + " ---: |" * len(used)
    for shot, counts in shots.items():
        yield f"| {plain(shot)} | " + " | ".join(str(counts[state]) for state in used) + " |"


def _missing(rows: Sequence[AssetRow]) -> Iterator[str]:
    missing = [row for row in rows if row.state not in {State.DONE, State.PLANNED}]
    if not missing:
        return
    yield "### Missing\n"
    yield "| asset | state | why |"
    yield "| --- | --- | --- |"
    for row in missing[:MISSING]:
        why = why_missing(row)
        yield f"| {plain(row.asset)} | {row.state.value} | {plain(why)} |"
    if len(missing) > MISSING:
        yield f"\nand {len(missing) - MISSING} more"
    yield ""


def _pictures(report: RunReport, rows: Sequence[AssetRow], page: Path) -> Iterator[str]:
    shown = [row for row in rows if row.path and row.state is State.DONE]
    shown.sort(key=lambda row: row.run_id != report.run_id)
    if not shown:
        return
    yield "### Pictures\n"
    for row in shown[:PICTURES]:
        source = _link(report.folder / row.path, page)
        yield f'<a href="{source}"><img src="{source}" width="160" alt="{_attribute(row.asset)}"></a>'
    if len(shown) > PICTURES:
        yield f"\nand {len(shown) - PICTURES} more"
    yield ""


def _link(file: Path, page: Path) -> str:
    return quote(Path(os.path.relpath(file, page.absolute().parent)).as_posix())


def plain(text: str, width: int = 300) -> str:
    """Text that stays text in a table of Markdown: no markup, no HTML, one line."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)[:width]
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\|*_`[]#~!" else letter for letter in line).replace("@", "@\u200b")


def _attribute(text: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
