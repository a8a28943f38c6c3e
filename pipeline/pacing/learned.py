"""What a host's headers say about its limits, and what a pacer keeps of it from one run to the next."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal

from pipeline.domain.digest import Json

Kind = Literal["requests", "images", "tokens"]

_NAMES: Mapping[Kind, tuple[str, ...]] = {
    "requests": ("x-ratelimit-{}-requests", "x-ratelimit-{}", "ratelimit-{}"),
    "images": ("x-ratelimit-{}-input-images", "x-ratelimit-{}-images"),
    "tokens": ("x-ratelimit-{}-tokens",),
}

_DURATION = re.compile(r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_PLAIN = re.compile(r"\d+(?:\.\d+)?")
_COUNT = re.compile(r"\s*(\d{1,12})(?:\.\d+)?\s*(?:[,;]|$)")
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)

A_MINUTE_AT_MOST = 61.0
"""A reset that lies further away belongs to an hour's or a day's window, which says nothing about a minute."""

HALF_LIFE = 7 * 86_400.0
"""Seconds after which a found pace is trusted half as much: a host asked again a week later may have grown."""

FORGOTTEN = 30 * 86_400.0
"""Seconds after which nothing learned is believed any more."""


def seconds_of(text: str) -> float | None:
    """A reset as seconds: ``1m2.5s``, ``120ms``, ``6m0s``, ``58.891s``, plain seconds; None for anything else.

    Moments (seconds or milliseconds since 1970) are None: they would need the wall clock, which may jump.
    """
    text = text.strip().lower()
    if _PLAIN.fullmatch(text):
        seconds = float(text)
        return seconds if seconds < 1e8 else None
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one answer's headers say of one kind of limit.

    limit, remaining: None where silent. reset: seconds until the limit is whole again. exact: reset is no rounded
    number of seconds.
    """

    kind: Kind
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    exact: bool = False

    def per_minute(self) -> float | None:
        """The limit per minute these headers speak for; None when they speak of something else or not clearly.

        A bucket that is whole again in `reset` seconds after `limit - remaining` requests refills in
        ``limit * reset / used`` seconds. About a minute or more, and the limit is one per minute (a fixed minute
        looks longer while little is used); clearly less, and it is one of a shorter span, which only an exact reset
        measures: believing a rounded one could pace a fast host many times too slow.
        """
        if not self.limit or self.remaining is None or self.reset is None:
            return None if self.remaining is not None or self.reset is not None else self.limit
        used = self.limit - self.remaining
        if used < 1 or self.reset <= 0 or self.reset > A_MINUTE_AT_MOST:
            return None
        span = self.limit * self.reset / used
        if span >= 0.7 * 60:
            return self.limit
        return self.limit * 60 / span if self.exact else None

    def hold(self) -> float:
        """Seconds for which nothing of this kind may start, because nothing remains; 0 when something does."""
        if self.remaining is None or self.remaining >= 1 or self.reset is None:
            return 0.0
        return self.reset if self.reset <= A_MINUTE_AT_MOST else 0.0


def stated_by(headers: Mapping[str, str]) -> tuple[Stated, ...]:
    """What an answer's headers (lower-case names) say about limits, one value a kind; junk is left out."""
    if not any("ratelimit" in name for name in headers):
        return ()
    found: list[Stated] = []
    for kind, names in _NAMES.items():
        for name in names:
            stated = _stated(kind, name, headers)
            if stated.limit is not None or stated.remaining is not None:
                found.append(stated)
                break
    return tuple(found)


def _stated(kind: Kind, name: str, headers: Mapping[str, str]) -> Stated:
    reset = headers.get(name.format("reset"), "")
    seconds = seconds_of(reset)
    return Stated(
        kind=kind,
        limit=_number(headers.get(name.format("limit"), "")),
        remaining=_number(headers.get(name.format("remaining"), "")),
        reset=seconds,
        exact=seconds is not None and (seconds != int(seconds) or seconds >= 5),
    )


def _number(text: str) -> float | None:
    match = _COUNT.match(text)
    return float(match.group(1)) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLimits:
    """What a pacer learned of one provider and key, for the ledger to keep; None: nothing.

    requests_per_minute, images_per_minute, tokens_per_minute: as the host's headers state them.
    found_per_minute: requests a minute that were let through where the host refused more.
    concurrency: that many at once went well. seconds: how long an answer takes, smoothed.
    """

    concurrency: float | None = None
    requests_per_minute: float | None = None
    images_per_minute: float | None = None
    tokens_per_minute: float | None = None
    found_per_minute: float | None = None
    seconds: float | None = None

    def aged(self, seconds: float) -> "LearnedLimits":
        """What of this is still believed after so many seconds.

        A found pace doubles with every half-life, concurrency shrinks to a gentle start, a statement is kept until
        it is forgotten: the first answer renews it anyway.
        """
        if seconds >= FORGOTTEN:
            return LearnedLimits()
        faith = 0.5 ** (max(0.0, seconds) / HALF_LIFE)
        return replace(
            self,
            found_per_minute=None if self.found_per_minute is None else self.found_per_minute / faith,
            concurrency=None if self.concurrency is None else max(1.0, self.concurrency * faith),
        )

    def as_json(self) -> dict[str, Json]:
        """As the ledger keeps it; what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> "LearnedLimits":
        """What `as_json` gave; unknown names and what is no positive number are left out."""
        names = {field.name for field in fields(cls)}
        kept = {
            name: float(value)
            for name, value in data.items()
            if name in names and isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        }
        return cls(**kept)
