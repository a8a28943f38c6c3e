"""`Congestion`: how many at once and how fast, as the host's answers teach it. Pure; the time is passed in.

Additive increase while work waits, one multiplicative decrease per congestion epoch: a 429 of a request that was sent
before the last cut was caused by what that cut mended and does not count again. Between two epochs a host that says
"no more" let through exactly what it allows, so the pace is measured there instead of being searched for.
"""

from dataclasses import dataclass

GENTLE_START = 4.0
MOST_AT_ONCE = 64.0
"""Where nothing is configured: beyond it a machine, not a host, is the limit."""

FIRST_COOL_DOWN = 1.0
LONGEST_COOL_DOWN = 60.0
"""Seconds without a word of the host: doubled from one epoch to the next until something succeeds."""

BELOW_MEASURED = 0.95
"""Of what was let through: to sit on the limit itself earns a refusal with every jitter."""

ENOUGH = 8
"""Requests let through below which an epoch measures nothing: one that slipped in after a pause is no pace."""

COSTLY = 10.0
"""An epoch is costly when the host let requests in for less than so many times what it then made them wait.

Rarer refusals cost less than a tenth of the time, and cutting the pace for them would cost more: one request in twenty
refused at random would else drive the pace towards nothing.
"""

STEADY = 60.0
"""Seconds for which a pace below what was measured earns no refusal; an epoch that comes sooner has another cause."""

PACE_FREE = 300.0
LONGEST_PACE_FREE = 3600.0
"""Seconds without a found pace, once three epochs in a row proved that it is not the cause; doubled every time."""

FIRST_GAP = 0.002
"""Seconds between the very first starts, when it is not known yet how long an answer takes."""


@dataclass(slots=True)
class _Epoch:
    """Since the last cut. let_through: requests started and not refused."""

    began: float
    first: bool
    started: int = 0
    refused: int = 0

    @property
    def let_through(self) -> int:
        return self.started - self.refused


class Congestion:
    """The adaptive part of a pacer. ceiling: the configured concurrency, started with at once; None: found.

    start, pace: what was learned before. gentle: begin with few at once, because nothing else holds them back.
    """

    def __init__(
        self, *, ceiling: int | None = None, start: float | None = None, pace: float | None = None, gentle: bool = True
    ) -> None:
        self._ceiling = float(ceiling) if ceiling is not None else MOST_AT_ONCE
        self._configured = ceiling is not None
        first = GENTLE_START if gentle and not self._configured else self._ceiling
        self._concurrency = min(self._ceiling, max(1.0, start if start is not None else first))
        self._threshold = self._ceiling
        self._epoch: _Epoch | None = None
        self._cut_at = float("-inf")
        self._cool_until = float("-inf")
        self._cool_next = FIRST_COOL_DOWN
        self._pace = pace
        self._pace_at = 0.0
        self._measured: float | None = None
        self._measured_for = 1.0
        self._is_sure = pace is not None
        self._burst_refused = False
        self._strikes = 0
        self._free_until = float("-inf")
        self._free_for = PACE_FREE
        self._heard = 0
        self.seconds: float | None = None

    @property
    def concurrency(self) -> int:
        """At most this many at once, now; at least 1."""
        return max(1, int(self._concurrency))

    @property
    def found(self) -> float | None:
        """Requests per minute the host was found to let through; None when it never refused or pace is no cause."""
        return self._pace

    @property
    def learned_pace(self) -> float | None:
        """What to start with next time: what was measured, or what a second measure agreed with and grew since."""
        return self._pace if self._is_sure or self._pace is None else min(self._pace, self._measured or self._pace)

    @property
    def burst(self) -> float | None:
        """How much may start at once: one, once the host refused although a pace was kept; None: the default."""
        return 1.0 if self._burst_refused else None

    @property
    def learned_concurrency(self) -> float | None:
        """What to start with next time; None when it is configured or nothing was heard."""
        return self._concurrency if not self._configured and self._heard else None

    def cool(self, now: float) -> float:
        """Seconds for which nothing may start at all."""
        return max(0.0, self._cool_until - now)

    def gap(self) -> float:
        """Seconds to keep between two starts, so that a refusal is heard before all the rest is sent.

        Only until as many answers were heard as may be on their way, and only where no pace keeps them apart.
        """
        if self._heard >= 2 * self.concurrency:
            return 0.0
        if self._cut_at == float("-inf") or self.seconds is None:
            return FIRST_GAP if self.seconds is None else min(FIRST_GAP, self.seconds / self.concurrency)
        # So many at once take that long: a little less between two of them holds nobody up.
        return 0.8 * self.seconds / self.concurrency

    def started(self, now: float) -> None:
        """A request leaves."""
        if self._epoch is None:
            self._epoch = _Epoch(now, first=True)
        self._epoch.started += 1

    def not_started(self) -> None:
        """A request that was let in did not leave after all."""
        if self._epoch is not None and self._epoch.started > 0:
            self._epoch.started -= 1

    def answered(self, now: float, *, seconds: float, full: bool, paced: bool) -> None:
        """An answer that was no refusal. full: all slots were taken; paced: the found pace held work back."""
        self._heard += 1
        self._cool_next = FIRST_COOL_DOWN
        self.seconds = seconds if self.seconds is None else 0.8 * self.seconds + 0.2 * seconds
        if full and self._concurrency < self._ceiling:
            gentle = self._concurrency < self._threshold
            self._concurrency = min(self._ceiling, self._concurrency + (0.5 if gentle else 1 / self._concurrency))
        if paced:
            self._grow_pace(now)
        self._pace_at = now

    def throttled(
        self, now: float, *, sent_at: float, retry_after: float | None, in_flight: int, kept: float | None = None
    ) -> float:
        """A 429 or 503 of a request sent at *sent_at*. Gives the seconds of a cool-down that begins now, else 0.

        kept: the pace that was kept, configured or found, in requests per minute; None: none.
        """
        if self._epoch is not None and sent_at > self._cut_at:
            self._epoch.refused += 1
        if sent_at <= self._cut_at:
            self._cool_until = max(self._cool_until, now + (retry_after or 0.0))
            return 0.0
        seconds = retry_after if retry_after is not None else self._cool_next
        self._cool_next = min(LONGEST_COOL_DOWN, self._cool_next * 2)
        costly = now - self._cool_until < COSTLY * max(seconds, self._cool_until - self._cut_at)
        self._cool_until = max(self._cool_until, now + seconds)
        self._cut(now, in_flight)
        self._learn_pace(now, kept, costly=costly)
        return self._cool_until - now

    def _cut(self, now: float, in_flight: int) -> None:
        used = max(1.0, min(self._concurrency, float(in_flight)))
        # A configured concurrency is known to be good, so it is won back at once; a found one is approached.
        self._threshold = self._ceiling if self._configured else max(1.0, 0.9 * used)
        self._concurrency = max(1.0, used / 2)
        self._heard = 0
        self._cut_at = now

    def _learn_pace(self, now: float, kept: float | None, *, costly: bool) -> None:
        """First the burst goes, which hosts that count seconds refuse at the very pace they allow; then a little of a
        pace that is not our own finding; then the pace is measured."""
        epoch = self._epoch
        if kept is not None and not self._burst_refused:
            self._burst_refused = True
        elif kept is not None and self._pace is None:
            self._pace = self._measured = BELOW_MEASURED * kept
            self._is_sure = True
        elif epoch is not None and not epoch.first:
            if epoch.let_through < ENOUGH:
                self._ease()
                return
            if now >= self._free_until:
                self._judge_pace(now, epoch, costly=costly)
        self._epoch = _Epoch(now, first=False)

    def _judge_pace(self, now: float, epoch: _Epoch, *, costly: bool) -> None:
        span = now - epoch.began
        self._strikes = self._strikes + 1 if self._pace is not None and span < STEADY else 0
        if self._strikes >= 3:
            self._pace, self._strikes = None, 0
            self._free_until = now + self._free_for
            self._free_for = min(LONGEST_PACE_FREE, 2 * self._free_for)
        elif costly and span > 0:
            self._measured = measured = BELOW_MEASURED * 60 * epoch.let_through / span
            self._measured_for = span
            self._is_sure = self._pace is not None and measured > 0.85 * self._pace
            self._pace = measured if self._pace is None else min(measured, BELOW_MEASURED * self._pace)
        else:
            self._ease()

    def _ease(self) -> None:
        if self._pace is not None:
            self._pace *= BELOW_MEASURED

    def _grow_pace(self, now: float) -> None:
        """Five per cent a minute and more with calm; at first, until a second measure agrees, one per cent in the time
        that was measured, at most one a second.

        A first measure may be short by half: a host that counts windows lets nothing through for what a pause saved.
        """
        if self._pace is None or self._pace_at == 0.0:
            return
        calm = max(0.0, now - max(self._cut_at, self._cool_until)) / 60
        a_second = 0.05 / 60 * (1 + min(calm, 30.0))
        if not self._is_sure:
            a_second = max(a_second, 0.01 / max(1.0, self._measured_for))
        self._pace *= 1 + a_second * max(0.0, now - self._pace_at)
