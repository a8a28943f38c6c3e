"""Answers that came at the same time are read and kept together: one visit to a thread, each folder synced once.

For each of them the order is that of one alone: images, their folders, the receipt, its folder; then the ledger.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pipeline.domain.errors import DiskFull, MachineError
from pipeline.domain.record import SKETCH, Intent, Outcome, Settlement, Space
from pipeline.domain.request import Answer, Head
from pipeline.grouping import Group, Turn
from pipeline.ports import Blocking, Endpoint
from pipeline.purchase.landed import Landed
from pipeline.purchase.settle import Settler
from pipeline.purchase.watched import Watched
from pipeline.store import Receipts, Unsynced

SMALL = 256 * 1024
"""Bytes of a body up to which answers go together: reading a larger one costs more than the visit."""

MOST = 32
"""Answers that are kept together at most: the first of them waits for the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A whole answer as it came. space: where its pictures belong, unless it says that it is a sketch."""

    intent: Intent
    endpoint: Endpoint
    flight: Watched
    head: Head
    seconds: float
    space: Space


Kept = tuple[Turn[Arrival, Answer | Settlement], Settlement]
"""Whose answer it was, and what is to be said of it."""


class Together:
    """Reads answers, and keeps what is in them unless something must be awaited first."""

    def __init__(self, settler: Settler, receipts: Receipts, blocking: Blocking) -> None:
        self._settler = settler
        self._receipts = receipts
        self._blocking = blocking
        self._group: Group[Arrival, Answer | Settlement] = Group(self._keep, blocking, most=MOST)

    async def read(self, arrival: Arrival) -> Answer | Settlement:
        """Its settlement, its pictures and receipt durable; the answer alone where pictures are yet to be fetched.

        Raises ProviderError for what is no answer, MachineError.
        """
        if arrival.flight.size <= SMALL:
            return await self._group(arrival)
        turn: Turn[Arrival, Answer | Settlement] = Turn(arrival)
        await self._blocking(lambda: self._keep([turn]))
        return turn.result()

    def _keep(self, turns: Sequence[Turn[Arrival, Answer | Settlement]]) -> None:
        folders, kept = Unsynced(), list[Kept]()
        for turn in turns:
            with _handed_to(turn):
                found = self._read(turn.call, folders)
                if isinstance(found, Settlement):
                    kept.append((turn, found))
                else:
                    turn.answers(found)
        if _synced(folders, kept):
            self._write_receipts(folders, kept)
            _synced(folders, kept)

    def _write_receipts(self, folders: Unsynced, kept: Sequence[Kept]) -> None:
        for turn, settlement in kept:
            with _handed_to(turn):
                # Before the ledger is told: what may have cost something can be proved without it.
                if settlement.outcome is not Outcome.FAILED:
                    self._receipts.write(turn.call.intent, settlement, folders.add)
                turn.answers(settlement)

    def _read(self, arrival: Arrival, folders: Unsynced) -> Answer | Settlement:
        answer = arrival.endpoint.read(arrival.head, arrival.flight.taken())
        is_new_sketch = answer.sketch and arrival.space != SKETCH
        if is_new_sketch or not all(picture.data for picture in answer.pictures):
            with suppress(DiskFull):  # what it brings may still fit where it did not
                arrival.flight.finish()
            return answer
        return self._settler.answered(
            arrival.intent,
            Landed(head=arrival.head, answer=answer),
            space=arrival.space,
            seconds=arrival.seconds,
            sync=folders.add,
        )


def _synced(folders: Unsynced, kept: Sequence[Kept]) -> bool:
    """Whether the names are durable; where not, that is the trouble of those that rest on them, and of nobody else."""
    try:
        folders.sync()
    except MachineError as error:
        for turn, _ in kept:
            turn.fails(error)
        return False
    return True


@contextmanager
def _handed_to(turn: Turn[Arrival, Answer | Settlement]) -> Iterator[None]:
    """What goes wrong with one answer is its caller's, and nobody else's."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- whatever it is
        turn.fails(error)
