"""`output/index.html`: every manifest of an output folder with its counts and a few pictures."""

from collections import defaultdict
from pathlib import Path
from urllib.parse import quote

from pipeline.domain.record import State
from pipeline.ledger import Ledger
from pipeline.sheet.index import write_text
from pipeline.store import Places

SHOWN = 7
"""Thumbnails of each manifest."""

ORDER = (State.DONE, State.UNKNOWN, State.REFUSED, State.FAILED, State.SKIPPED, State.PLANNED, State.WAITING)


def write_overview(ledger: Ledger, places: Places) -> Path:
    """Writes the page over all manifests that have a sheet; gives it. Blocks. Raises OSError."""
    from pipeline.sheet.render import render_overview  # noqa: PLC0415 -- Jinja loads when a page is made

    counts: dict[str, dict[State, int]] = defaultdict(lambda: defaultdict(int))
    for tally in ledger.tallies():
        counts[tally.manifest][tally.state] += tally.assets
    jobs = [_job(name, counts[name], ledger, places) for name in sorted(counts)]
    return write_text(places.output / "index.html", render_overview([job for job in jobs if job]))


def _job(name: str, states: dict[State, int], ledger: Ledger, places: Places) -> dict[str, object]:
    folder = places.output / name
    if not (folder / "index.html").exists():
        return {}
    thumbs = sorted((folder / "thumbs").glob("*.webp"))[:SHOWN] if (folder / "thumbs").is_dir() else []
    run = next(iter(ledger.runs(name, 1)), None)
    return {
        "name": name,
        "href": f"{quote(name)}/index.html",
        "states": [(state.value, states[state]) for state in ORDER if states.get(state)],
        "last": f"{run.started_at:%Y-%m-%d %H:%M}" if run else "",
        "thumbs": [f"{quote(name)}/thumbs/{quote(thumb.name)}" for thumb in thumbs],
    }
