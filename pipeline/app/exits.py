"""Exit statuses: a contract, never renumbered, and which of several is told."""

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What an exit status means."""

    OK = 0
    FAULT = 1
    USAGE = 2
    KEY_REFUSED = 3
    NO_FUNDS = 4
    FEED_GUARD = 5
    WAITING = 10
    NOT_ALL = 11
    BUDGET = 12
    DEADLINE = 13
    UNKNOWN = 14
    BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143


RANK = (
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.FAULT,
    Exit.USAGE,
    Exit.KEY_REFUSED,
    Exit.NO_FUNDS,
    Exit.FEED_GUARD,
    Exit.BUSY,
    Exit.UNKNOWN,
    Exit.BUDGET,
    Exit.DEADLINE,
    Exit.NOT_ALL,
    Exit.WAITING,
    Exit.OK,
)
"""When several apply, the first in this order is told."""

ACCEPTED_BY = {Exit.NOT_ALL: frozenset({"refused", "failed"}), Exit.UNKNOWN: frozenset({"unknown"})}
"""Which words of ``--accept`` make a status 0. (``feed`` is no outcome: it lets a changed feed pass.)"""


def worst(statuses: Iterable[int]) -> int:
    """The first of *statuses* in the order of the table; 0 when there is none."""
    present = set(statuses)
    return next((int(status) for status in RANK if status in present), max(present, default=0))
