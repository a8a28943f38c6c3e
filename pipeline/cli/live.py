"""The live view of a run: a bar for each shot, what is on its way, pace, money, time left."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from pipeline.app.tally import ShotTally, Tally
from pipeline.cli.remaining import Remaining
from pipeline.cli.screen import LONGEST, Story, clean, clock, wrapped
from pipeline.domain.event import AttemptEnded, Event, RunStarted
from pipeline.domain.money import MicroUsd, show
from pipeline.domain.record import State

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

FLIGHTS = 4
"""Requests on their way that are named, the oldest first."""

AROUND = FLIGHTS + 6
"""Rows the view needs besides its bars."""

WINDOW = 60.0
"""Seconds over which the pace is told."""


class Lasting:
    """A stream that outlives its reader: once nobody reads, what is written is dropped and nothing is raised."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        """Writes while there is a reader."""
        self._do(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flushes while there is a reader."""
        self._do(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _do(self, work: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            work()
        except (OSError, ValueError):
            self._gone = True


class LiveScreen:
    """Shows the view as long as it is entered; what a person must not miss is printed above it and stays."""

    def __init__(self, tally: Tally, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._tally = tally
        self._now = now
        self._began = now()
        self._story = Story()
        self._remaining = Remaining(tally)
        self._landed: deque[tuple[float, int]] = deque()
        self._budget: MicroUsd | None = None
        self._limit: float | None = None
        self._console: Console = Console(file=Lasting(stream))  # type: ignore[arg-type]  # all of TextIO by delegation
        self._live: Live = Live(
            console=self._console,
            get_renderable=self.view,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Takes an event into the view."""
        self._remaining(event, self._now())
        match event:
            case RunStarted():
                self._began, self._budget, self._limit = self._now(), event.budget, event.images_per_minute
            case AttemptEnded():
                self._landed.append((self._now(), event.images))
            case _:
                pass
        line = self._story.line(event)
        if line:
            text = wrapped(clean(line, LONGEST), self._console.width)
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def view(self) -> "RenderableType":
        """Everything that is shown now. Called from the thread that redraws: reads copies only."""
        from rich.console import Group
        from rich.text import Text

        flying = sorted(list(self._remaining.flying.values()), key=lambda flight: flight[1])  # noqa: C414 -- a copy: another thread adds
        lines: list[Text] = [*self._bars(flying)]
        lines += [Text(line, style="dim") for line in self._flights(flying)]
        lines += [Text(line) for line in self._footer()]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)

    def _bars(self, flying: Sequence[tuple[Sequence[str], float]]) -> Iterator["Text"]:
        from rich.text import Text

        busy = Counter(shot_of(assets[0]) for assets, _ in flying if assets)
        shots = [(name, shot) for name, shot in list(self._tally.shots.items()) if shot.total]
        room = max(3, self._console.height - AROUND)
        if len(shots) > room:
            # What still moves is worth a row; what is finished is counted below.
            shots.sort(key=lambda item: (item[1].settled >= item[1].total, not busy[item[0]]))
        shown = shots[:room]
        wide = min(24, max((len(name) for name, _ in shown), default=0))
        for name, shot in shown:
            line = Text(f"{clean(name, wide):<{wide}}  ")
            line.append_text(bar(shot, busy[name], max(10, min(36, self._console.width - wide - 44))))
            yield line.append(f"  {counts(shot, busy[name])}")
        if len(shots) > room:
            done = sum(shot.settled >= shot.total for _, shot in shots[room:])
            yield Text(f"and {len(shots) - room} more shots, {done} of them finished", style="dim")

    def _flights(self, flying: Sequence[tuple[Sequence[str], float]]) -> Iterator[str]:
        for assets, since in flying[:FLIGHTS]:
            more = f" and {len(assets) - 1} more" if len(assets) > 1 else ""
            yield f"  {clock(self._now() - since):>6}  {clean(assets[0] if assets else '', 80)}{more}"
        if len(flying) > FLIGHTS:
            yield f"          and {len(flying) - FLIGHTS} more on their way"

    def _footer(self) -> Iterator[str]:
        tally, seconds = self._tally, self._now() - self._began
        settled = sum(shot.settled for shot in list(tally.shots.values()))
        left = self._remaining.seconds(self._began, self._now())
        pace = f"pace   {self._pace():.0f} images a minute"
        pace += f" of {self._limit:g}" if self._limit else ""
        yield f"{pace}, {clock(seconds)} gone" + (f", about {clock(left)} left" if left is not None else "")
        money = f"money  {show(tally.spent)} spent, {show(tally.reserved)} reserved, {show(tally.unknown)} unknown"
        yield money + (f", of {show(self._budget)}" if self._budget is not None else "")
        yield f"assets {settled} of {tally.total}, {len(self._remaining.flying)} in flight"

    def _pace(self) -> float:
        """Pictures a minute over the last minute, or since the run began."""
        now = self._now()
        while self._landed and self._landed[0][0] < now - WINDOW:
            self._landed.popleft()
        span = min(WINDOW, max(1.0, now - self._began))
        return sum(images for _, images in list(self._landed)) / span * 60


def shot_of(asset: str) -> str:
    """The shot an asset belongs to, by its name."""
    return asset.partition("/")[0].partition("#")[0]


def bar(shot: ShotTally, flying: int, width: int) -> "Text":
    """A bar of cached, done, in flight and failed; each has at least one cell while there is any of it."""
    from rich.text import Text

    bad = shot.states.total() - shot.states[State.DONE] - shot.states[State.PLANNED]
    counted = [shot.cached, shot.states[State.DONE], bad, flying]
    cells = [max(1, width * count // max(shot.total, 1)) if count else 0 for count in counted]
    # What is rare must be seen: the longest part gives way.
    while sum(cells) > width:
        cells[cells.index(max(cells))] -= 1
    text = Text()
    for length, sign, style in zip(cells, "━━╌╸", ("blue", "green", "red", "yellow"), strict=True):
        text.append(sign * length, style=style)
    return text.append("─" * (width - len(text)), style="bright_black")


def counts(shot: ShotTally, flying: int) -> str:
    """``7/20  3 cached, 2 in flight, 1 failed``."""
    bad = shot.states.total() - shot.states[State.DONE] - shot.states[State.PLANNED]
    told = ((shot.cached, "cached"), (flying, "in flight"), (bad, "not there"))
    rest = ", ".join(f"{count} {word}" for count, word in told if count)
    return f"{shot.settled}/{shot.total}" + (f"  {rest}" if rest else "")
