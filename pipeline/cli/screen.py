"""What a person sees while a run goes on: a live view on a terminal, plain lines that read like a story elsewhere."""

import os
import sys
import textwrap
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

from pipeline.app.tally import Tally
from pipeline.domain.event import (
    AssetSettled,
    AttemptEnded,
    Backoff,
    CoolDown,
    Event,
    Note,
    ProviderStopped,
    RunStarted,
)
from pipeline.domain.money import show
from pipeline.domain.record import Outcome, Reason, State

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
        from pipeline.cli.live import LiveScreen

        return LiveScreen(tally, stream)
    return PlainScreen(tally, stream)


def has_colors(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal that can, unless ``NO_COLOR`` is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 0


def clean(text: str, width: int = 300) -> str:
    """Text of a host or a manifest made safe for a terminal: one line, no control or bidi characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:width]


def wrapped(text: str, width: int) -> str:
    """The text broken between words and indented where a terminal of that width would break it anywhere."""
    if not 20 <= width < len(text):
        return text
    return textwrap.fill(text, width, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)


def line_of(event: Event) -> str:
    """The line an event is worth, empty for those that pass in silence."""
    match event:
        case AttemptEnded() if event.outcome is not Outcome.DONE:
            return _attempt_line(event)
        case AssetSettled() if event.state is State.FAILED:
            # What an attempt came to was told when it ended; a broken input had none.
            words = f": {'; '.join(event.warnings)}" if event.reason == Reason.INPUT and event.warnings else ""
            return f"failed    {event.asset}  {event.reason}{words}"
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
            budget = f", at most {show(event.budget)}" if event.budget is not None else ""
            self._say(f"{event.manifest}: {self._tally.total} assets{budget}")
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
        text = f"{time.strftime('%H:%M:%S')} {clean(line)}"
        try:
            width = _columns(self._stream) if self._stream.isatty() else 0
            self._stream.write(wrapped(text, width) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def tell_note(event: Event) -> None:
    """The listener of commands without a screen: notes to standard error."""
    if isinstance(event, Note):
        sys.stderr.write(f"{clean(event.text)}\n")
