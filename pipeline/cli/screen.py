"""What a person sees while a run goes on: a live view on a terminal, plain lines that read like a story elsewhere."""

import os
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO

from pipeline.app.tally import Tally
from pipeline.cli.remaining import Remaining
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
from pipeline.domain.record import Outcome, State

NARROW = 72
"""Columns below which a live view is no help: its line of money needs them."""

LONGEST_MESSAGE = 200
"""Characters of a host's words in a line; the log and the ledger have all of them."""

LONGEST = 600
"""Characters of a line of the story."""

STORY_EVERY = 30.0
"""Seconds between two progress lines where there is no terminal."""

SELDOM = 1.0
"""The same where another tenth was done."""


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
    if live and columns(stream) >= NARROW:
        from pipeline.cli.live import LiveScreen

        return LiveScreen(tally, stream)
    return PlainScreen(tally, stream)


def has_colors(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal that can, unless ``NO_COLOR`` is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def columns(stream: TextIO) -> int:
    """How wide the terminal is that a stream writes to; 0 for a stream that is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0


def clean(text: str, width: int = 300) -> str:
    """Text of a host or a manifest made safe for a terminal: one line, no control or bidi characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: width + 1])
    return line if len(line) <= width else f"{line[: width - 1]}…"


def wrapped(text: str, width: int) -> str:
    """The text broken between words and indented where a terminal of that width would break it anywhere."""
    if not 20 <= width < len(text):
        return text
    return textwrap.fill(text, width, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)


class Story:
    """The line each event is worth, empty for those that pass in silence; what was just told is not told again."""

    def __init__(self) -> None:
        self._cooled = ""

    def line(self, event: Event) -> str:
        """The line of the next event."""
        match event:
            case CoolDown() if event.seconds >= 1:
                self._cooled = event.why
            case Backoff() if event.why == self._cooled:
                return ""
            case _:
                pass
        return line_of(event)


def line_of(event: Event) -> str:
    """The line an event is worth, empty for those that pass in silence."""
    match event:
        case AttemptEnded() if event.outcome in {Outcome.REFUSED, Outcome.UNKNOWN}:
            return _attempt_line(event)
        case Backoff() if event.seconds >= 1:
            return f"again     {_named(event.assets)} in {event.seconds:.0f} s: {clean(event.why, LONGEST_MESSAGE)}"
        case AssetSettled() if event.state is State.FAILED:
            words = clean("; ".join(event.warnings), LONGEST_MESSAGE)
            reason = "" if words.startswith(f"{event.reason}:") else event.reason
            return f"failed    {event.asset}  {': '.join(part for part in (reason, words) if part)}"
        case AssetSettled() if event.state is State.DONE and event.warnings:
            return f"note      {event.asset}  {'; '.join(event.warnings)}"
        case CoolDown() if event.seconds >= 1:
            return f"cools     {event.provider} for {event.seconds:.0f} s: {clean(event.why, LONGEST_MESSAGE)}"
        case ProviderStopped():
            return f"stopped   {event.provider}: {event.why}"
        case Note():
            return f"note      {event.text}"
        case _:
            return ""


def _named(assets: Sequence[str]) -> str:
    """The first of the assets, and how many more."""
    return assets[0] + (f" and {len(assets) - 1} more" if len(assets) > 1 else "")


def _attempt_line(event: AttemptEnded) -> str:
    # Messages of hosts mostly begin with their status and code.
    facts = [fact for fact in (str(event.http_status or ""), event.code) if fact not in event.message]
    what = " ".join([*facts, clean(event.message, LONGEST_MESSAGE)])
    if event.outcome is Outcome.UNKNOWN:
        what += f", after {event.seconds:.1f} s; {show(event.usd)} kept aside"
        what += f" ({event.culprit})" if event.culprit else ""
    line = f"{event.outcome.value:<9} {_named(event.assets)}  {what}"
    return line + (f"  [{event.request_id}]" if event.request_id else "")


def progress_line(tally: Tally, left: float | None) -> str:
    """Counts, money and time left (in seconds; None: not known) in one line."""
    settled = sum(shot.settled for shot in tally.shots.values())
    parts = [f"{settled} of {tally.total}", f"{tally.count(State.DONE)} made", f"{tally.cached} cached"]
    failed = sum(tally.count(state) for state in (State.FAILED, State.REFUSED, State.UNKNOWN, State.SKIPPED))
    if failed:
        parts.append(f"{failed} not there")
    parts.append(f"{len(tally.in_flight)} in flight")
    parts.append(f"{show(tally.spent)} spent")
    if tally.unknown:
        parts.append(f"{show(tally.unknown)} unknown")
    if left is not None:
        parts.append(f"{clock(left)} left")
    return " · ".join(parts)


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
        self._story = Story()
        self._remaining = Remaining(tally)

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
        self._remaining(event, self._now())
        line = self._story.line(event)
        if line:
            self._say(line)
        if isinstance(event, AssetSettled):
            self._progress()

    def _progress(self) -> None:
        now, total = self._now(), self._tally.total
        if now - self._told < SELDOM or not total:
            return
        settled = sum(shot.settled for shot in self._tally.shots.values())
        tenth = settled * 10 // total
        if now - self._told >= STORY_EVERY or tenth > self._tenth:
            self._told, self._tenth = now, tenth
            self._say(progress_line(self._tally, self._remaining.seconds(self._began, now)))

    def _say(self, line: str) -> None:
        # A reader that went away (`| head`) must never raise into a paid run.
        if self._stream is None:
            return
        text = f"{time.strftime('%H:%M:%S')} {clean(line, LONGEST)}"
        try:
            self._stream.write(wrapped(text, columns(self._stream)) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def tell_note(event: Event) -> None:
    """The listener of commands without a screen: notes to standard error."""
    if isinstance(event, Note):
        sys.stderr.write(f"{clean(event.text)}\n")
