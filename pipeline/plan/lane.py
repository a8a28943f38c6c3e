"""One provider's share of a frontier: cells still to be looked at, and steps that may start, in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pipeline.domain.record import Space
from pipeline.domain.step import StepKey
from pipeline.plan.cell import PlannedCell
from pipeline.plan.resolved import Resolved


@dataclass(slots=True, kw_only=True, eq=False)
class OpenStep:
    """A step that is asked for and has not ended. order: of its chain in the plan. tail: the rest of its chain.

    followers: steps of the same key, which end as this one does.
    """

    entry: Resolved
    tail: tuple[Resolved, ...]
    order: int
    lane: str
    at: tuple[Space, StepKey]
    followers: list["OpenStep"] = field(default_factory=list)
    empty_answers: int = 0

    @property
    def remaining(self) -> int:
        """Edits that follow it."""
        return len(self.entry.cell.plan.step_ids) - 1 - self.entry.depth


class Lane:
    """Cells of one provider in the plan's order, and a heap of what may start.

    open: chains whose present step belongs here and has not ended; a window bounds it, so that memory stays flat.
    """

    def __init__(self, name: str, cells: Iterator[PlannedCell]) -> None:
        self.name = name
        self.open = 0
        self.stopped = False
        self._cells = cells
        self._ahead: PlannedCell | None = next(cells, None)
        self._heap: list[tuple[int, int, int, list[OpenStep]]] = []
        self._pushed = 0

    @property
    def exhausted(self) -> bool:
        """Whether every cell was looked at."""
        return self._ahead is None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing of this lane is open and nothing more will be opened by it."""
        return self.open == 0 and (self.stopped or self.exhausted)

    @property
    def is_idle(self) -> bool:
        """Whether nothing may start in it now."""
        return not self._heap

    def take(self, chains: int, most: int) -> list[PlannedCell]:
        """The next cells: about *chains* chains, at most *most* cells, at least one."""
        cells: list[PlannedCell] = []
        while self._ahead is not None and len(cells) < most and (chains > 0 or not cells):
            cells.append(self._ahead)
            chains -= self._ahead.plan.shot.n
            self._ahead = next(self._cells, None)
        return cells

    def wants_more(self) -> bool:
        """Whether a cell not looked at yet may have to start before what is ready: longer chains go first."""
        if self._ahead is None:
            return False
        return not self._heap or -self._heap[0][0] < len(self._ahead.plan.step_ids) - 1

    def push(self, steps: list[OpenStep]) -> None:
        """Makes steps of one request ready: longest remaining chain first, then the plan's order."""
        self._pushed += 1
        heappush(self._heap, (-steps[0].remaining, steps[0].order, self._pushed, steps))

    def pop(self) -> list[OpenStep] | None:
        """The steps of the best request that may start; None when there is none."""
        return heappop(self._heap)[-1] if self._heap else None
