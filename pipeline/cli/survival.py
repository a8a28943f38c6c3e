"""How long requests take, told by those that ended and by those that are still on their way; and what that means for
the rest of a run. Pure.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from typing import Final

_BEYOND: Final = 8
"""Parts in which what is beyond the longest known time is spread."""

_WAVES: Final = 10
"""Requests for each place that are played through one by one; of more, the first take what requests take on average."""

_AT_THE_END: Final = 0.02
"""Share of what requests take that is left of one that is taken for over."""

_STRIDE: Final = 0.618034
"""The golden ratio: multiples of it, without their whole parts, fill the space between 0 and 1 evenly."""


class Survival:
    """How long a request takes: the product-limit estimate (Kaplan and Meier, 1958).

    The first answers are the quick ones, and their mean is far too short; one that is still awaited is known to take
    longer than it has. What takes longer than all that is known is spread as densely as what came before, over as long
    again at most: a single quick one makes nobody wait for ever.
    ended, ages: seconds; at least one ended.
    """

    def __init__(self, ended: Sequence[float], ages: Sequence[float]) -> None:
        atoms = list(_atoms(ended, ages))
        self._times = [seconds for seconds, _ in atoms]
        self._shares = list(accumulate(share for _, share in atoms))
        self.mean = sum(seconds * share for seconds, share in atoms) / self._shares[-1]

    def within(self, share: float, after: float = 0.0) -> float:
        """Seconds more within which *share* of the requests end that took *after* seconds already."""
        passed = bisect(self._times, after)
        over, whole = self._shares[passed - 1] if passed else 0.0, self._shares[-1]
        if passed == len(self._times):
            return 0.0
        found = bisect(self._shares, over + share * (whole - over))
        return max(0.0, self._times[min(found, len(self._times) - 1)] - after)


def _atoms(ended: Sequence[float], ages: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Times and the share of requests that take so long, in order; the shares come to one."""
    told = sorted([*((seconds, False) for seconds in ended), *((age, True) for age in ages)])
    left = 1.0
    for position, (seconds, is_under_way) in enumerate(told):
        if not is_under_way:
            share = left / (len(told) - position)
            left -= share
            yield seconds, share
    if left > 1e-9:
        longest, first = told[-1][0], min(ended)
        width = min(left * (longest - first) / (1 - left) or longest, longest)
        for part in range(_BEYOND):
            yield longest + width * (part + 0.5) / _BEYOND, left / _BEYOND


def time_left(survival: Survival, ages: Sequence[float], more: int, *, places: int, gap: float = 0.0) -> float:
    """Seconds until all is there: requests of these *ages* are on their way, and *more* follow.

    places: as many go on side by side. gap: seconds between two starts, whatever is free. Played through with durations
    drawn evenly: in the end some places stand empty while the slowest is awaited.
    """
    over = [survival.within(number * _STRIDE % 1, age) for number, age in enumerate(sorted(ages), 1)]
    # Who is all but at the end may have ended, and is only not told yet: his place is another's already.
    free = [seconds for seconds in over if seconds > _AT_THE_END * survival.mean]
    free += [0.0] * (places - len(free))
    last, played = max(over, default=0.0), min(more, _WAVES * len(free))
    heapify(free)
    start = 0.0
    for number in range(len(over) + 1, len(over) + 1 + played):
        start = max(start + gap, free[0])
        end = start + survival.within(number * _STRIDE % 1)
        heapreplace(free, end)
        last = max(last, end)
    return (more - played) * max(survival.mean / len(free), gap) + last
