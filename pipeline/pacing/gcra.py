"""`Gcra`: one limit per minute as a decision: how long until so much more may start. Pure; the time is passed in.

Two rules together make it correct for every way a host may count. The generic cell rate algorithm spreads starts
evenly behind a small burst (token buckets, short fixed windows); a log of the last minute's starts bounds every sliding
window, and with it every fixed one, by the limit, the burst included.
"""

from collections import deque
from dataclasses import dataclass

MINUTE = 60.0

JITTER = 0.2
"""Seconds by which two requests may come closer together on their way than they started.

The log looks back so much further than a minute, and the default burst leaves so much of a second's worth unused:
without it a bucket of exactly the burst's size refuses a request or two at the start of every run.
"""

NOW = 1e-6
"""Seconds below which a wait is over: shorter ones are rounding, and a clock may not advance by them."""


@dataclass(slots=True, eq=False)
class Booking:
    """So much of a limit, taken at a time (seconds of the event loop's clock). counted: still within its minute."""

    at: float
    weight: float
    counted: bool = True


def default_burst(per_minute: float) -> float:
    """One second's worth less what jitter eats, at least 1."""
    return max(1.0, per_minute / MINUTE * (1.0 - JITTER))


class Gcra:
    """A limit per minute. per_minute None: no limit. burst: how much may start at once after a pause.

    No 60 seconds ever hold more than per_minute, the burst included. Something heavier than the whole limit passes
    alone, when nothing else was started for a minute: otherwise it never could.
    """

    __slots__ = ("_burst", "_log", "_per_minute", "_spent", "_tat")

    def __init__(self, per_minute: float | None, burst: float | None = None) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._log: deque[Booking] = deque()
        self._spent = 0.0
        self._tat = float("-inf")

    @property
    def per_minute(self) -> float | None:
        """The limit in force."""
        return self._per_minute

    @property
    def burst(self) -> float:
        """How much may start at once after a pause; never more than the limit itself."""
        if self._per_minute is None:
            return float("inf")
        return min(self._per_minute, self._burst or default_burst(self._per_minute))

    def set_limit(self, per_minute: float | None, burst: float | None = None) -> None:
        """Puts another limit in force from now on; what was started keeps counting."""
        self._per_minute = per_minute
        self._burst = burst

    def wait(self, now: float, weight: float = 1.0) -> float:
        """Seconds until *weight* may start; 0 when it may now. Books nothing."""
        self._forget(now)
        if self._per_minute is None:
            wait = self._tat - now
        else:
            wait = max(self._spread_wait(now, weight), self._window_wait(now, weight))
        return wait if wait > NOW else 0.0

    def room(self, now: float, ahead: float) -> float:
        """How much could start within the next *ahead* seconds."""
        if self._per_minute is None:
            return 0.0 if self._tat - now > ahead else float("inf")
        self._forget(now)
        credit = (now + ahead - self._tat) / self._interval + self.burst
        return max(0.0, min(credit, self.burst + ahead / self._interval, self._per_minute - self._spent))

    def book(self, now: float, weight: float = 1.0) -> Booking:
        """Takes *weight* at *now*, whatever `wait` says."""
        booking = Booking(now, weight)
        self._log.append(booking)
        self._spent += weight
        if self._per_minute is not None:
            self._tat = max(self._tat, now) + weight * self._interval
        return booking

    def give_back(self, booking: Booking) -> None:
        """Returns what was booked for a request that was never sent."""
        if not booking.counted:
            return
        self._uncount(booking)
        if self._per_minute is not None:
            self._tat -= booking.weight * self._interval

    def move(self, booking: Booking, now: float) -> Booking:
        """Counts a booking from *now* on, because its request left later than it was booked."""
        self._uncount(booking)
        moved = Booking(now, booking.weight)
        self._log.append(moved)
        self._spent += moved.weight
        return moved

    def penalise(self, until: float) -> None:
        """Lets nothing start before *until* and starts with one, not with a burst."""
        spread = 0.0 if self._per_minute is None else (min(self.burst, self._per_minute) - 1.0) * self._interval
        self._tat = max(self._tat, until + spread)

    @property
    def _interval(self) -> float:
        assert self._per_minute is not None
        return MINUTE / self._per_minute

    def _spread_wait(self, now: float, weight: float) -> float:
        return self._tat - (self.burst - min(weight, self.burst)) * self._interval - now

    def _window_wait(self, now: float, weight: float) -> float:
        assert self._per_minute is not None
        excess = self._spent + min(weight, self._per_minute) - self._per_minute
        for booking in self._log:
            if excess <= NOW:
                break
            excess -= booking.weight if booking.counted else 0.0
            if excess <= NOW:
                return booking.at + MINUTE + JITTER - now
        return 0.0

    def _forget(self, now: float) -> None:
        while self._log and self._log[0].at + MINUTE + JITTER <= now:
            self._uncount(self._log.popleft())
        if not self._log:
            self._spent = 0.0

    def _uncount(self, booking: Booking) -> None:
        if booking.counted:
            booking.counted = False
            self._spent -= booking.weight
