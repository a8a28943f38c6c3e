"""How long a run still takes, by its pace so far."""

from pipeline.app.tally import Tally
from pipeline.domain.event import AttemptEnded, AttemptSent, Event
from pipeline.domain.record import AttemptId
from pipeline.domain.step import AssetName


class Remaining:
    """Listens to a run and tells the time left.

    What is on its way counts for the part of it that is over: with many requests at once, those that ended are but the
    smaller part of the work done. What was not asked took no time.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.flying: dict[AttemptId, tuple[tuple[AssetName, ...], float]] = {}
        """What is on its way: which assets, and since when."""
        self._took = 0.0
        self._ended = 0

    def __call__(self, event: Event, now: float) -> None:
        """Takes an event into account. now: seconds on any clock, the same for all calls."""
        match event:
            case AttemptSent():
                self.flying[event.attempt_id] = (event.assets, now)
            case AttemptEnded():
                _, sent = self.flying.pop(event.attempt_id, ((), now))
                self._took += now - sent
                self._ended += 1
            case _:
                pass

    def seconds(self, began: float, now: float) -> float | None:
        """Time left, in seconds; None before anything was made, and when nothing is left."""
        tally, made = self._tally, self._tally.made
        rest = tally.total - sum(shot.settled for shot in list(tally.shots.values()))
        if tally.limit is not None:
            rest = min(rest, tally.limit - made)
        if not made or rest <= 0:
            return None
        flying = list(self.flying.values())
        usual = self._took / self._ended if self._ended else 0.0
        over = sum(len(assets) * min(1.0, (now - sent) / usual) for assets, sent in flying) if usual else 0.0
        over = min(over, float(rest))
        spent = self._took + sum(now - sent for _, sent in flying)
        seconds = spent / len(flying) if flying else now - began
        return (rest - over) * seconds / (made + over)
