"""What dead processes left: every open attempt is settled by the same code as a live one, from what lies in the spool.

Runs before the network is used for anything new, and may itself be killed anywhere: each step is idempotent.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.domain.errors import NotSent, OutcomeUnknown, ProviderError
from pipeline.domain.event import Note
from pipeline.domain.money import MicroUsd, show
from pipeline.domain.record import SKETCH, AttemptId, Intent, Outcome, Settlement
from pipeline.domain.request import Answer, Head, Picture
from pipeline.ledger import Committer, Ledger
from pipeline.ports import Blocking, Recorder
from pipeline.provider import salvage
from pipeline.purchase.landed import Bring, is_sketch, landed
from pipeline.purchase.settle import Ending, Settler
from pipeline.store import Evidence, Receipt, Receipts, Spool, SpoolFlight

CUT = "the process ended in the middle of the answer"


class Reader(Protocol):
    """The reading half of an endpoint: what recovery needs of one."""

    def read(self, head: Head, body: bytes) -> Answer:
        """Reads a whole body. Raises ProviderError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What recovery found: pictures that had arrived, attempts nobody knows of, requests that never left."""

    images: int = 0
    unknown: int = 0
    unsent: int = 0
    at_risk: MicroUsd = MicroUsd(0)

    @property
    def line(self) -> str:
        """``recovered 2 images, 1 unknown (at most $0.20)``; empty when there was nothing."""
        parts = []
        if self.images:
            parts.append(f"recovered {self.images} image{'s' if self.images > 1 else ''} that had arrived")
        if self.unknown:
            parts.append(f"{self.unknown} unknown (at most {show(self.at_risk)}; settle with `pipeline reconcile`)")
        if self.unsent:
            parts.append(f"{self.unsent} that never left")
        return "a run before this one was cut off: " + ", ".join(parts) if parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Settles what was left open. readers: by protocol. fetch: gets a url result."""

    committer: Committer
    spool: Spool
    receipts: Receipts
    settler: Settler
    readers: Mapping[str, Reader]
    fetch: Callable[[str], Awaitable[bytes]]
    blocking: Blocking
    recorder: Recorder
    boot_id: str

    async def run(self) -> Recovered:
        """Settles every open attempt, then tidies the spool of attempts that are settled."""
        left = await self.committer.do(Ledger.recover)
        evidence = {found.attempt_id: found for found in await self.blocking(lambda: list(self.spool.scan()))}
        settlements = [await self._settle(intent, evidence.get(intent.attempt_id)) for intent in left]
        open_ids = {intent.attempt_id for intent in left}
        for attempt_id, found in evidence.items():
            if attempt_id not in open_ids:
                await self._tidy(found)
        await self.blocking(self.spool.sweep)
        await self.blocking(self.receipts.sweep)
        recovered = _summed(settlements)
        if recovered.line:
            self.recorder(Note(text=recovered.line))
        return recovered

    async def _settle(self, intent: Intent, found: Evidence | None) -> Settlement:
        receipt = await self.blocking(lambda: self.receipts.find(intent))
        if isinstance(receipt, Receipt):
            settlement = receipt.settlement
        else:
            settlement = await self._settlement(intent, found)
            if settlement.outcome is not Outcome.FAILED:
                await self.blocking(lambda: self.receipts.write(intent, settlement))
        if settlement.space == SKETCH != intent.space:
            await self.committer.do(lambda ledger: ledger.learn_sketch(intent.endpoint))
        await self.committer.do(lambda ledger: ledger.settle(settlement))
        if found is not None:
            flight = self.spool.reopen(intent.attempt_id)
            if settlement.outcome is Outcome.UNKNOWN and not found.is_empty:
                await self.blocking(lambda: flight.quarantine(settlement.message))
            else:
                await self.blocking(flight.discard)
        return settlement

    async def _settlement(self, intent: Intent, found: Evidence | None) -> Settlement:
        """Decides from the evidence; within one boot a missing marker proves that nothing left, if all was read."""
        is_unmarked = intent.boot_id == self.boot_id and (found is None or not found.sent)
        if is_unmarked and not await self.blocking(self.spool.unread):
            return await self._ended(intent, NotSent("the process ended before the request left"))
        if found is None or found.is_empty:
            return await self._ended(intent, OutcomeUnknown("the process ended while the answer was on its way"))
        flight = self.spool.reopen(intent.attempt_id)
        body = await self.blocking(flight.fragment)
        head, reader = found.head, self.readers[intent.protocol]
        if head is None:
            return await self._ended(intent, OutcomeUnknown(CUT), salvaged=salvage(body))
        try:
            answer = await self.blocking(lambda: reader.read(head, body))
            came = await landed(head, answer, self._bringing(flight))
        except ProviderError as error:
            is_cut = isinstance(error, OutcomeUnknown) and not found.whole
            told = OutcomeUnknown(CUT, error.answered) if is_cut else error
            return await self._ended(intent, told, head=head, salvaged=salvage(body))
        space = SKETCH if answer.sketch else intent.space
        return await self.blocking(
            lambda: self.settler.answered(intent, came, space=space, seconds=head.seconds, recovered=True)
        )

    def _bringing(self, flight: SpoolFlight) -> Bring:
        """Pictures that were fetched before come from the spool; the others are fetched now and kept there too."""

        async def bring(position: int, url: str) -> bytes:
            kept = await self.blocking(lambda: flight.picture(position))
            if kept is not None:
                return kept
            data = await self.fetch(url)
            await self.blocking(lambda: flight.keep_picture(position, data))
            return data

        return bring

    async def _ended(
        self, intent: Intent, error: ProviderError, *, head: Head | None = None, salvaged: tuple[Picture, ...] = ()
    ) -> Settlement:
        space = SKETCH if is_sketch(head) else intent.space
        ending = Ending(error=error, space=space, salvaged=salvaged, recovered=True)
        return await self.blocking(lambda: self.settler.ended(intent, ending))

    async def _tidy(self, found: Evidence) -> None:
        """Files of attempts that are settled go, but for the evidence of an unknown one; a body the ledger never heard
        of is paid for and is kept aside too."""
        flight = self.spool.reopen(found.attempt_id)
        outcome = await self.committer.do(lambda ledger: _outcome(ledger, found.attempt_id))
        if found.is_empty or outcome not in {None, Outcome.UNKNOWN}:
            await self.blocking(flight.discard)
        else:
            why = "its outcome is unknown" if outcome else "the ledger does not know this attempt"
            await self.blocking(lambda: flight.quarantine(why))


def _outcome(ledger: Ledger, attempt_id: AttemptId) -> str | None:
    """None for an attempt the ledger has never heard of."""
    rows = ledger.attempts(attempt_id=attempt_id, limit=1)
    return rows[0].outcome if rows else None


def _summed(settlements: list[Settlement]) -> Recovered:
    unknown = [settlement for settlement in settlements if settlement.outcome is Outcome.UNKNOWN]
    return Recovered(
        images=sum(len(settlement.kept) for settlement in settlements),
        unknown=len(unknown),
        unsent=sum(settlement.outcome is Outcome.FAILED for settlement in settlements),
        at_risk=MicroUsd(sum(settlement.cost for settlement in unknown)),
    )
