"""`Pacer`: the one door of a provider and key, through which every request goes when the limits let it.

Usage: `async with pacer.turn(images=1, tokens=0): ...` around one POST (`Paced` does that); `pacer.observe(headers,
status)` by whoever sees the answers; `pacer.close(why)` when nothing more may start.
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar

import anyio

from pipeline.changing import Change
from pipeline.domain.capability import Limits
from pipeline.domain.errors import (
    BudgetReached,
    DiskFull,
    InputFault,
    NotSent,
    NotStarted,
    Permanent,
    ProviderError,
    Throttled,
)
from pipeline.domain.event import CoolDown
from pipeline.pacing.congestion import Congestion
from pipeline.pacing.learned import LearnedLimits, stated_by
from pipeline.pacing.meters import Booked, Meters
from pipeline.pacing.network import NetworkGate
from pipeline.pacing.seats import Seat, arrived
from pipeline.ports import Recorder

AHEAD = 0.25
"""Seconds of starts for which works are prepared beforehand, so that reading inputs costs the host no idle time."""

AHEAD_AT_MOST = 0.25
"""Share of the requests in flight for whose places works are prepared: what is chosen early comes before a chain's next
step that is ready later, although that has more behind it."""

UNSENT = (BudgetReached, NotStarted, InputFault, DiskFull)
"""What ends a turn before anything was sent."""

_TURN: ContextVar["Booked | None"] = ContextVar("turn", default=None)


class Pacer:
    """Holds every request of one provider and key back until nothing forbids it, one door for all workers.

    limits: from the manifest, ceilings. learned: from earlier runs (already aged). burst: requests at once after a
    pause. used_today: images of today's quota used before. network: the gate of this host; None: none.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        provider: str = "",
        recorder: Recorder | None = None,
        learned: LearnedLimits | None = None,
        burst: float | None = None,
        used_today: int = 0,
        network: NetworkGate | None = None,
    ) -> None:
        learned = learned or LearnedLimits()
        self._provider = provider
        self._recorder = recorder
        self._network = network
        self._meters = Meters(limits, learned, burst=burst, used_today=used_today)
        self._congestion = Congestion(
            ceiling=limits.concurrency,
            start=learned.concurrency,
            pace=learned.found_per_minute,
            gentle=not self._meters.paced,
        )
        self._congestion.seconds = learned.seconds
        self._door = anyio.Lock()
        self._changed = Change()
        self._closed = ""
        self.halted = anyio.Event()
        self._in_flight = 0
        self._waiting = 0
        self._seats = 0
        self._last_start = float("-inf")
        self._is_told = False
        self._probing: anyio.CancelScope | None = None

    @property
    def in_flight(self) -> int:
        """Requests that were let in and have neither ended nor landed."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Requests at the door."""
        return self._waiting

    @property
    def concurrency(self) -> int:
        """At most this many at once, now."""
        return self._congestion.concurrency

    @property
    def requests_per_minute(self) -> float | None:
        """The limit of requests in force; None: none known."""
        return self._meters.limit("requests")

    @property
    def network_is_down(self) -> bool:
        """Whether the gate is closed: what could not be sent is not the request's fault."""
        return self._network is not None and self._network.closed

    def seconds(self) -> float:
        """How long an answer takes, smoothed; 0 when none was heard."""
        return self._congestion.seconds or 0.0

    def learned(self) -> LearnedLimits:
        """What is worth keeping for the next run."""
        return LearnedLimits(
            concurrency=self._congestion.learned_concurrency,
            requests_per_minute=self._meters.stated("requests"),
            images_per_minute=self._meters.stated("images"),
            tokens_per_minute=self._meters.stated("tokens"),
            found_per_minute=self._congestion.learned_pace,
            seconds=self._congestion.seconds,
        )

    def observe(self, headers: Mapping[str, str], status: int) -> None:
        """Learns from the headers (lower-case names) of any answer. status: HTTP status of that answer."""
        for stated in stated_by(headers):
            self._meters.state(stated, anyio.current_time())
        self._changed.tell()

    def close(self, why: str) -> None:
        """Lets nothing more start: who waits gets NotStarted, what is on its way is not touched. Idempotent."""
        if not self._closed:
            self._closed = why or "the provider was stopped"
            self.halted.set()
            if self._probing is not None:
                self._probing.cancel()
            self._changed.tell()

    def sending(self) -> None:
        """The request of this task leaves now: counts it from here, not from when it was let in.

        To be called where something after the door may wait (a budget's reservation). Once it is in use, what is
        cancelled before it was called gives its place back.
        """
        booked = _TURN.get()
        if booked is None:
            return
        self._is_told = booked.sent = True
        now = anyio.current_time()
        if now > booked.at:
            self._meters.move(booked, now)

    def landed(self) -> None:
        """The answer to the request of this task is kept: its place is another's, whatever is still to be done of it.

        To be called when nothing that came can be lost any more; how the turn ends then teaches nothing.
        """
        booked = _TURN.get()
        if booked is not None and not booked.landed:
            booked.landed = True
            try:
                self._answered(booked)
            finally:
                self._free_place()

    @asynccontextmanager
    async def turn(self, *, images: int = 1, tokens: int = 0) -> AsyncIterator[None]:
        """Waits for its turn, books it when the request starts and learns from how it ends.

        Raises NotStarted when closed, NetworkDown when the network stays away, QuotaGone when the day's images are
        used up; what is raised inside passes through.
        """
        booked = await self._admit(images, tokens)
        token = _TURN.set(booked)
        try:
            yield
        except BaseException as error:
            if not booked.landed:
                self._failed(booked, error)
            raise
        else:
            if not booked.landed:
                self._answered(booked)
        finally:
            _TURN.reset(token)
            if not booked.landed:
                self._free_place()

    def has_seat(self) -> bool:
        """Whether `seat` would not wait."""
        return bool(self._closed) or self._has_seat(anyio.current_time())

    async def seat(self) -> Seat:
        """Waits until another work should be prepared (at once when closed) and gives leave to do so."""
        while not self.has_seat():
            # No need to look at the clock: the one that is always kept at the door starts in time and tells.
            await self._changed.wait()
        self._seats += 1
        return Seat(self._free_seat)

    async def _admit(self, images: int, tokens: int) -> Booked:
        self._waiting += 1
        arrived()
        try:
            async with self._door:
                while (delay := self._delay(images, tokens)) > 0:
                    await self._pause(delay)
                    await self._knock()
                return self._book(images, tokens)
        finally:
            self._waiting -= 1
            self._changed.tell()

    def _delay(self, images: int, tokens: int) -> float:
        """Seconds until the first at the door may look again; infinite when only a change can help."""
        now = anyio.current_time()
        if self._closed:
            raise NotStarted(self._closed)
        if self._network is not None and self._network.closed:
            return max(1e-3, self._network.wait(now))
        if self._in_flight >= self._congestion.concurrency:
            return math.inf
        gap = 0.0 if self._meters.paced else self._last_start + self._congestion.gap() - now
        waits = (gap if gap > 1e-3 else 0.0, self._congestion.cool(now))
        return max(*waits, self._meters.wait(now, images=images, tokens=tokens))

    async def _knock(self) -> None:
        if self._network is not None and self._network.closed and self._network.wait(anyio.current_time()) <= 0:
            with anyio.CancelScope() as self._probing:
                await self._network.knock()
            self._probing = None

    def _book(self, images: int, tokens: int) -> Booked:
        now = anyio.current_time()
        self._in_flight += 1
        self._last_start = now
        self._congestion.started(now)
        return self._meters.book(now, images=images, tokens=tokens)

    def _has_seat(self, now: float) -> bool:
        """Whether another work, prepared now, would start soon; one is always kept at the door."""
        taken = self._waiting + self._seats
        if taken == 0:
            return True
        if self._congestion.cool(now) > 0 or (self._network is not None and self._network.closed):
            return False
        seconds = self._congestion.seconds
        ending = self._in_flight * min(AHEAD_AT_MOST, AHEAD / seconds) if seconds else 0.0
        slots = self._congestion.concurrency - self._in_flight + int(ending)
        return taken < math.floor(min(slots, self._meters.room(now, AHEAD)))

    def _free_place(self) -> None:
        self._in_flight -= 1
        self._changed.tell()

    def _free_seat(self) -> None:
        self._seats -= 1
        self._changed.tell()

    def _answered(self, booked: Booked) -> None:
        now = anyio.current_time()
        self._heard()
        self._congestion.answered(
            now,
            seconds=now - booked.at,
            full=self._in_flight >= self._congestion.concurrency,
            paced=self._waiting > 0,
        )
        self._pace()

    def _failed(self, booked: Booked, error: BaseException) -> None:
        untold = self._is_told and not booked.sent and not isinstance(error, ProviderError)
        if untold or isinstance(error, UNSENT):
            self._congestion.not_started()
            self._meters.give_back(booked)
            return
        if isinstance(error, Permanent | Throttled):
            self._meters.unbilled(booked)
        match error:
            case Throttled():
                self._throttled(booked, error)
            case NotSent():
                self._not_sent(booked, error)
            case ProviderError() if error.answered.status:
                self._heard()

    def _throttled(self, booked: Booked, error: Throttled) -> None:
        self._heard()
        seconds = self._congestion.throttled(
            anyio.current_time(),
            sent_at=booked.at,
            retry_after=error.answered.retry_after,
            in_flight=self._in_flight,
            kept=self._meters.limit("requests"),
        )
        self._pace()
        if seconds > 0:
            self._tell(seconds, str(error))

    def _not_sent(self, booked: Booked, error: NotSent) -> None:
        now = anyio.current_time()
        self._meters.give_back(booked)
        self._congestion.not_started()
        if self._network is not None and self._network.not_sent(now):
            self._tell(self._network.wait(now), f"{error}; probing until the network is back")

    def _heard(self) -> None:
        if self._network is not None:
            self._network.heard()

    def _pace(self) -> None:
        self._meters.find(self._congestion.found, self._congestion.burst)

    def _tell(self, seconds: float, why: str) -> None:
        if self._recorder is not None:
            self._recorder(CoolDown(provider=self._provider, seconds=seconds, why=why))

    async def _pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._changed.wait()
