"""How long a run still takes, by how long its requests took so far."""

from bisect import bisect
from collections import deque
from itertools import accumulate, pairwise
from typing import Final

from pipeline.app.tally import Tally
from pipeline.cli.survival import Survival, time_left
from pipeline.domain.event import AttemptEnded, AttemptSent, Event
from pipeline.domain.record import AttemptId, Outcome
from pipeline.domain.step import AssetName

_LATEST: Final = 256
"""Pictures whose durations count: a host that became slower is believed."""

_STARTS: Final = 32
"""Starts that tell whether places or a rate hold requests back."""

_ENOUGH: Final = 8
_EVEN: Final = 1.5
"""Gaps are even when so many were seen, and both their upper quartile and their mean are at most so many times what
they should be: waves of many at once have pauses between them."""


class Remaining:
    """Listens to a run and tells the time left.

    Requests take as long as others did, given how long they have been under way already. As many go on side by side as
    did of late; where they start evenly apart a rate holds them back, and they go on so. What was not asked took no
    time.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.flying: dict[AttemptId, tuple[tuple[AssetName, ...], float]] = {}
        """What is on its way: which assets, and since when."""
        self._took: deque[float] = deque(maxlen=_LATEST)
        self._sent = self._assets = 0
        self._starts: deque[float] = deque(maxlen=_STARTS)
        self._flown: deque[tuple[float, int]] = deque(maxlen=2 * _STARTS)
        """How many were on their way from which moment on."""

    def __call__(self, event: Event, now: float) -> None:
        """Takes an event into account. now: seconds on any clock, the same for all calls."""
        match event:
            case AttemptSent():
                self.flying[event.attempt_id] = (event.assets, now)
                self._sent += 1
                self._assets += len(event.assets)
                self._starts.append(now)
                self._flown.append((now, len(self.flying)))
            case AttemptEnded():
                _, sent = self.flying.pop(event.attempt_id, ((), now))
                self._flown.append((now, len(self.flying)))
                if event.outcome is Outcome.DONE:  # a refusal says nothing of how long pictures take
                    self._took.append(now - sent)
            case _:
                pass

    def seconds(self, began: float, now: float) -> float | None:
        """Time left, in seconds; None before it can be told, and when nothing is left."""
        tally, made = self._tally, self._tally.made
        rest = tally.total - sum(shot.settled for shot in list(tally.shots.values()))
        if tally.limit is not None:
            rest = min(rest, tally.limit - made)
        if not made or rest <= 0:
            return None
        # Copies: another thread adds.
        flying, took = list(self.flying.values()), list(self._took)
        if not flying:
            return rest * (now - began) / made
        if not took:
            return None
        ages = [now - sent for _, sent in flying]
        asked = sum(len(assets) for assets, _ in flying)
        more = max(0, rest - asked) * self._sent / self._assets
        places, gap = self._held_back(now)
        return time_left(Survival(took, ages), ages, round(more), places=places, gap=gap)

    def _held_back(self, now: float) -> tuple[int, float]:
        """How many go on side by side, and the seconds between two starts that a rate makes; 0 where none does.

        A rate keeps starts evenly apart; places give them as answers come. As many are there as were most of the time:
        who is told to have ended a little later than his place was another's is counted twice for a moment.
        """
        starts, flown = list(self._starts), list(self._flown)
        gaps = sorted(later - sooner for sooner, later in pairwise(starts))
        usual = gaps[len(gaps) // 2] if len(gaps) >= _ENOUGH else 0.0
        if (
            usual
            and gaps[len(gaps) * 3 // 4] <= _EVEN * gaps[len(gaps) // 4]
            and sum(gaps) <= _EVEN * usual * len(gaps)
        ):
            return max(count for _, count in flown), usual
        spans = sorted((count, until - since) for (since, count), (until, _) in pairwise([*flown, (now, 0)]) if count)
        passed = list(accumulate(seconds for _, seconds in spans))
        return (spans[bisect(passed, passed[-1] / 2)][0] if passed and passed[-1] else 1), 0.0
