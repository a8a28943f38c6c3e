"""How long a run still takes, by how long its requests took so far."""

from collections import deque
from typing import Final

from pipeline.app.tally import Tally
from pipeline.cli.survival import Survival, time_left
from pipeline.domain.event import AttemptEnded, AttemptSent, Event
from pipeline.domain.record import AttemptId
from pipeline.domain.step import AssetName

_LATEST: Final = 256
"""Requests whose durations count: a host that became slower is believed."""

_STARTS: Final = 32
"""Starts that tell whether places or a rate hold requests back."""


class Remaining:
    """Listens to a run and tells the time left.

    Requests take as long as others did, given how long they have been under way already. As many go on side by side as
    did of late; where that number was rarely reached a rate holds them back, and they start as they did. What was not
    asked took no time.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.flying: dict[AttemptId, tuple[tuple[AssetName, ...], float]] = {}
        """What is on its way: which assets, and since when."""
        self._took: deque[float] = deque(maxlen=_LATEST)
        self._ended = 0
        self._starts: deque[float] = deque(maxlen=_LATEST)
        self._side_by_side: deque[int] = deque(maxlen=_STARTS)

    def __call__(self, event: Event, now: float) -> None:
        """Takes an event into account. now: seconds on any clock, the same for all calls."""
        match event:
            case AttemptSent():
                self.flying[event.attempt_id] = (event.assets, now)
                self._starts.append(now)
                self._side_by_side.append(len(self.flying))
            case AttemptEnded():
                _, sent = self.flying.pop(event.attempt_id, ((), now))
                self._took.append(now - sent)
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
        # Copies: another thread adds.
        flying, took = list(self.flying.values()), list(self._took)
        if not flying or not took:
            return rest * (now - began) / made
        ages = [now - sent for _, sent in flying]
        asked = sum(len(assets) for assets, _ in flying)
        more = max(0, rest - asked) * self._ended / made
        places, gap = self._held_back()
        return time_left(Survival(took, ages), ages, round(more), places=max(places, len(ages)), gap=gap)

    def _held_back(self) -> tuple[int, float]:
        """How many go on side by side, and the seconds between two starts that a rate makes; 0 where none does."""
        counts, starts = list(self._side_by_side), list(self._starts)
        most = max(counts, default=1)
        is_paced = 2 * counts.count(most) < len(counts)
        return most, (starts[-1] - starts[0]) / (len(starts) - 1) if is_paced and len(starts) > 1 else 0.0
