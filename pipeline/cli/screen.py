"""What a person sees while a run goes on: a live view on a terminal, plain lines that read like a story elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from pipeline.app.tally import ShotTally, Tally
from pipeline.domain.event import (
    AssetSettled,
    AttemptEnded,
    AttemptSent,
    Backoff,
    CoolDown,
    Event,
    Note,
    ProviderStopped,
    RunStarted,
)
from pipeline.domain.money import MicroUsd, show
from pipeline.domain.record import Outcome, State

if TYPE_CHECKING:
    from rich.console import RenderableType

NARROW = 60
"""Columns below which a live view is no help."""

STORY_EVERY = 30.0
"""Seconds between two progress lines where there is no terminal."""


class Screen(Protocol):
    """Listens to the events of a run; shows them as long as it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Takes one event; never raises and never waits."""
        ...


def open_screen(tally: Tally, stream: TextIO | None = None) -> Screen:
    """A live view where *stream* (standard error) is a terminal wide enough for one, plain lines elsewhere."""
    stream = stream or sys.stderr
    live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
    if live and _columns(stream) >= NARROW:
        return LiveScreen(tally, stream)
    return PlainScreen(tally, stream)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 0


def clean(text: str, width: int = 300) -> str:
    """Text of a host or a manifest made safe for a terminal: one line, no control or bidi characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:width]


def line_of(event: Event) -> str:
    """The line an event is worth, empty for those that pass in silence."""
    match event:
        case AttemptEnded() if event.outcome is not Outcome.DONE:
            return _attempt_line(event)
        case AssetSettled() if event.state is State.FAILED:
            return f"failed    {event.asset}  {event.reason}"
        case AssetSettled() if event.warnings:
            return f"note      {event.asset}  {'; '.join(event.warnings)}"
        case Backoff() if event.seconds >= 1:
            return f"waits     {event.seconds:.0f} s at {event.provider}: {event.why}"
        case CoolDown() if event.seconds >= 1:
            return f"cools     {event.provider} for {event.seconds:.0f} s: {event.why}"
        case ProviderStopped():
            return f"stopped   {event.provider}: {event.why}"
        case Note():
            return f"note      {event.text}"
        case _:
            return ""


def _attempt_line(event: AttemptEnded) -> str:
    asset = event.assets[0] + (f" and {len(event.assets) - 1} more" if len(event.assets) > 1 else "")
    facts = [str(event.http_status) if event.http_status else "", event.code, event.message]
    what = " ".join(fact for fact in facts if fact)
    if event.outcome is Outcome.UNKNOWN:
        what += f", after {event.seconds:.1f} s; {show(event.usd)} kept aside"
        what += f" ({event.culprit})" if event.culprit else ""
    return f"{event.outcome.value:<9} {asset}  {what}" + (f"  [{event.request_id}]" if event.request_id else "")


def progress_line(tally: Tally, seconds: float) -> str:
    """Counts, money and time left in one line."""
    settled = sum(shot.settled for shot in tally.shots.values())
    parts = [f"{settled} of {tally.total}", f"{tally.count(State.DONE)} made", f"{tally.cached} cached"]
    failed = sum(tally.count(state) for state in (State.FAILED, State.REFUSED, State.UNKNOWN, State.SKIPPED))
    if failed:
        parts.append(f"{failed} not there")
    parts.append(f"{len(tally.in_flight)} in flight")
    parts.append(f"{show(tally.spent)} spent")
    if tally.unknown:
        parts.append(f"{show(tally.unknown)} unknown")
    left = seconds_left(tally, seconds)
    if left is not None:
        parts.append(f"{clock(left)} left")
    return " · ".join(parts)


def seconds_left(tally: Tally, seconds: float) -> float | None:
    """Time left at the pace so far, in seconds; None before anything was made."""
    made = sum(shot.states.total() for shot in tally.shots.values())
    rest = tally.total - sum(shot.settled for shot in tally.shots.values())
    return rest * seconds / made if made and rest > 0 else None


def clock(seconds: float) -> str:
    """``45 s``, ``12 min``, ``2 h 05 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


class PlainScreen:
    """Plain lines: what went wrong at once, how far it is now and then."""

    def __init__(self, tally: Tally, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._tally = tally
        self._stream: TextIO | None = stream
        self._now = now
        self._began = self._told = now()
        self._tenth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Prints the line this event is worth, and now and then how far the run is."""
        if isinstance(event, RunStarted):
            self._began = self._told = self._now()
            self._tenth = 0
            self._say(f"{event.manifest}: {self._tally.total} assets")
        line = line_of(event)
        if line:
            self._say(line)
        if isinstance(event, AssetSettled) and self._tally.total:
            self._progress()

    def _progress(self) -> None:
        settled = sum(shot.settled for shot in self._tally.shots.values())
        tenth = settled * 10 // self._tally.total
        now = self._now()
        if now - self._told >= STORY_EVERY or (tenth > self._tenth and now - self._told >= 1):
            self._told, self._tenth = now, tenth
            self._say(progress_line(self._tally, now - self._began))

    def _say(self, line: str) -> None:
        # A reader that went away (`| head`) must never raise into a paid run.
        if self._stream is None:
            return
        try:
            self._stream.write(f"{time.strftime('%H:%M:%S')} {clean(line)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class LiveScreen:
    """A live view: a bar per shot, what is in flight and for how long, pace, money, time left."""

    def __init__(self, tally: Tally, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._tally = tally
        self._now = now
        self._began = now()
        self._flying: dict[str, tuple[str, float]] = {}
        self._budget: MicroUsd | None = None
        self._broken = False
        self._console: Console = Console(file=stream)
        self._live: Live = Live(
            console=self._console,
            get_renderable=self._view,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._live.stop()
        except OSError:
            self._broken = True

    def __call__(self, event: Event) -> None:
        """Takes an event into the view; what a person must not miss is printed above it and stays."""
        match event:
            case RunStarted():
                self._began, self._budget = self._now(), event.budget
            case AttemptSent():
                self._flying[event.attempt_id] = (", ".join(event.assets), self._now())
            case AttemptEnded():
                self._flying.pop(event.attempt_id, None)
            case _:
                pass
        line = line_of(event)
        if line and not self._broken:
            try:
                self._console.print(clean(line), markup=False, highlight=False, soft_wrap=True)
            except OSError:
                self._broken = True

    def _view(self) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, shot in self._tally.shots.items():
            table.add_row(Text(clean(name, 30)), _bar(shot), Text(_counts(shot)))
        seconds = self._now() - self._began
        oldest = sorted(self._flying.values(), key=lambda flight: flight[1])[:3]
        flights = [Text(f"  {clean(name, 60)}  {self._now() - since:.0f} s", style="dim") for name, since in oldest]
        return Group(table, *flights, Text(self._footer(seconds)))

    def _footer(self, seconds: float) -> str:
        line = progress_line(self._tally, seconds)
        if seconds > 1:
            line += f" · {self._tally.images / seconds * 60:.0f} images/min"
        if self._tally.reserved:
            line += f" · {show(self._tally.reserved)} reserved"
        if self._budget is not None:
            line += f" of {show(self._budget)}"
        return line


def _bar(shot: ShotTally, width: int = 30) -> "RenderableType":
    from rich.text import Text

    total = max(shot.total, 1)
    bad = shot.states.total() - shot.states[State.DONE]
    bar = Text()
    for count, style in ((shot.cached, "blue"), (shot.states[State.DONE], "green"), (bad, "red")):
        bar.append("━" * round(width * count / total), style=style)
    bar.append("━" * max(0, width - len(bar)), style="bright_black")
    return bar


def _counts(shot: ShotTally) -> str:
    bad = shot.states.total() - shot.states[State.DONE]
    text = f"{shot.settled}/{shot.total}"
    text += f"  {shot.cached} cached" if shot.cached else ""
    return text + (f"  {bad} not there" if bad else "")


def tell_note(event: Event) -> None:
    """The listener of commands without a screen: notes to standard error."""
    if isinstance(event, Note):
        sys.stderr.write(f"{clean(event.text)}\n")
