"""`Meters`: what may start per minute and per day at one provider: requests, images and tokens together."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.capability import Limits
from pipeline.domain.errors import QuotaGone
from pipeline.pacing.gcra import Booking, Gcra
from pipeline.pacing.learned import Kind, LearnedLimits, Stated

DAY = 86_400.0


@dataclass(slots=True, eq=False)
class Booked:
    """What one request took of every meter. sent: it was told to have left. landed: its answer is kept."""

    at: float
    images: int
    bookings: Mapping[Kind, Booking]
    sent: bool = False
    landed: bool = False


@dataclass(slots=True)
class _Hold:
    """A wait for a host that said nothing remains. started: requests since it was over."""

    until: float = float("-inf")
    started: int = 0
    fruitless: int = 0

    def is_believed(self, now: float, until: float) -> bool:
        """Takes in that nothing remains before *until*. No more believed once two waits brought one request each:

        some relays always say 0, and would be asked once a minute for ever.
        """
        if now >= self.until:
            waited = self.until > float("-inf")
            self.fruitless = self.fruitless + 1 if waited and self.started <= 1 else 0
            self.until, self.started = until, 0
        return self.fruitless < 2


class Meters:
    """A meter each for requests, images (`n` counts as n) and tokens per minute, and the day's images.

    A configured limit is a ceiling: what the host states or what was found only lowers it. burst: requests at once;
    None: the default of `Gcra`. used_today: images of today before this run.
    """

    def __init__(self, limits: Limits, learned: LearnedLimits, *, burst: float | None, used_today: int) -> None:
        self._configured: dict[Kind, float | None] = {
            "requests": limits.requests_per_minute,
            "images": limits.images_per_minute,
            "tokens": limits.tokens_per_minute,
        }
        self._stated: dict[Kind, float | None] = {
            "requests": learned.requests_per_minute,
            "images": learned.images_per_minute,
            "tokens": learned.tokens_per_minute,
        }
        self._burst = burst
        self._found: float | None = None
        self._found_burst: float | None = None
        self._meters: dict[Kind, Gcra] = {kind: Gcra(None) for kind in self._configured}
        self._holds: dict[Kind, _Hold] = {kind: _Hold() for kind in self._configured}
        self._per_day = limits.images_per_day
        self._today = used_today
        self._day_began: float | None = None
        for kind in self._meters:
            self._apply(kind)

    def stated(self, kind: Kind) -> float | None:
        """What the host's headers said of this kind, per minute."""
        return self._stated[kind]

    def limit(self, kind: Kind) -> float | None:
        """The limit per minute in force; None: none known."""
        return self._meters[kind].per_minute

    @property
    def paced(self) -> bool:
        """Whether anything keeps starts apart."""
        return any(meter.per_minute is not None for meter in self._meters.values())

    def state(self, stated: Stated, now: float) -> None:
        """Takes in what an answer's headers say of one kind."""
        per_minute = stated.per_minute()
        if per_minute is not None:
            self._stated[stated.kind] = per_minute
            self._apply(stated.kind)
        hold = stated.hold()
        if hold > 0 and self._holds[stated.kind].is_believed(now, now + hold):
            self._meters[stated.kind].penalise(now + hold)

    def find(self, per_minute: float | None, burst: float | None) -> None:
        """Puts a found pace and burst of requests in force, or takes them back."""
        if per_minute != self._found or burst != self._found_burst:
            self._found, self._found_burst = per_minute, burst
            self._apply("requests")

    def wait(self, now: float, *, images: int, tokens: int) -> float:
        """Seconds until a request of that size may start. Raises QuotaGone when the day's images are used up."""
        self._check_day(now, images)
        weights = self._weights(images, tokens)
        return max(self._meters[kind].wait(now, weight) for kind, weight in weights.items())

    def room(self, now: float, ahead: float) -> float:
        """How many requests like one of a picture could start within the next *ahead* seconds (tokens left out)."""
        return min(self._meters["requests"].room(now, ahead), self._meters["images"].room(now, ahead))

    def book(self, now: float, *, images: int, tokens: int) -> Booked:
        """Takes one request."""
        self._today += images
        for hold in self._holds.values():
            hold.started += now >= hold.until
        weights = self._weights(images, tokens)
        return Booked(now, images, {kind: self._meters[kind].book(now, weight) for kind, weight in weights.items()})

    def give_back(self, booked: Booked) -> None:
        """Returns all of a request that was never sent."""
        self.unbilled(booked)
        for kind, booking in booked.bookings.items():
            self._meters[kind].give_back(booking)

    def unbilled(self, booked: Booked) -> None:
        """Returns the images of a request that was sent and surely not billed to the day's quota."""
        self._today -= booked.images
        booked.images = 0

    def move(self, booked: Booked, now: float) -> None:
        """Counts a request from *now* on."""
        booked.at = now
        booked.bookings = {kind: self._meters[kind].move(one, now) for kind, one in booked.bookings.items()}

    def _check_day(self, now: float, images: int) -> None:
        if self._per_day is None:
            return
        if self._day_began is None:
            self._day_began = now
        if now - self._day_began >= DAY:
            self._day_began, self._today = now, 0
        if self._today + images > self._per_day:
            raise QuotaGone(
                f"the day's quota of {self._per_day} images is used up: run again tomorrow or raise images_per_day"
            )

    def _weights(self, images: int, tokens: int) -> dict[Kind, float]:
        return {"requests": 1.0, "images": float(images), "tokens": float(tokens)}

    def _apply(self, kind: Kind) -> None:
        known = [limit for limit in (self._configured[kind], self._stated[kind]) if limit is not None]
        if kind != "requests":
            self._meters[kind].set_limit(min(known, default=None))
            return
        if self._found is not None:
            known.append(self._found)
        bursts = [burst for burst in (self._burst, self._found_burst) if burst is not None]
        self._meters[kind].set_limit(min(known, default=None), min(bursts, default=None))
