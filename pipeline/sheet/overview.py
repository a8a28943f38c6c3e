"""The page over all manifests of an output folder: how each stands, what it cost, and a few of its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd, show
from pipeline.domain.record import Money, RunRow, State
from pipeline.sheet.files import write_pieces
from pipeline.sheet.model import FIRST
from pipeline.sheet.page import fill
from pipeline.sheet.thumbs import thumb_path

COVERS: Final = 8
"""Pictures of each manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One manifest. counts: assets by state. covers: pictures whose thumbnail is there. page: whether it has one."""

    name: str
    counts: dict[State, int]
    total: Money
    run: RunRow | None
    covers: tuple[Digest, ...] = ()
    page: bool = True

    @property
    def there(self) -> int:
        """Assets that are done."""
        return self.counts.get(State.DONE, 0)

    @property
    def wanted(self) -> int:
        """All assets."""
        return sum(self.counts.values())

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """States that lack something, the worst first, with their counts."""
        return tuple((state.value, self.counts[state]) for state in FIRST if self.counts.get(state))

    @property
    def thumbs(self) -> tuple[str, ...]:
        """Paths of the covers, relative to the page over all manifests."""
        return tuple(f"{self.name}/{thumb_path(digest)}" for digest in self.covers)

    @property
    def words(self) -> str:
        """When it ran last and what it cost."""
        said = [f"last run {_moment(self.run.started_at)}"] if self.run is not None else []
        said.append(f"{show(self.total.spent)} in all")
        if self.total.unknown:
            said.append(f"{show(self.total.unknown)} unknown")
        return " · ".join(said)


def render_overview(jobs: Sequence[Job]) -> str:
    """The page over all manifests; what lacks something comes first. Pure."""
    ordered = sorted(jobs, key=lambda job: (not job.missing, job.name))
    unknown = MicroUsd(sum(job.total.unknown for job in jobs))
    return fill(
        "overview.html.j2",
        scripts=(),
        jobs=ordered,
        wanted=sum(job.wanted for job in jobs),
        there=sum(job.there for job in jobs),
        spent=show(MicroUsd(sum(job.total.spent for job in jobs))),
        unknown=show(unknown) if unknown else "",
    )


def write_overview(output: Path, jobs: Sequence[Job]) -> Path:
    """Writes ``index.html`` into the output folder, whole or not at all; an equal one is left alone. Raises OSError."""
    return write_pieces(output / "index.html", (render_overview(jobs),))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
