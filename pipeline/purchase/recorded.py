"""`Recorded(endpoint)`: one attempt, written down before it leaves and settled whatever happens next.

The order, each later step repeatable from an earlier one: reserve (room for the answer on disk) -> intent (the `sent`
row, one durable commit) -> send -> spool (the body, as it comes: from its last byte on a kill loses nothing) -> fetch
(url results, beside the spool, which is durable before) -> images -> receipt -> settle (one durable commit) -> drop the
spool. Images, receipt and settlement each refer only to what is durable already.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio

from pipeline.domain.capability import Profile
from pipeline.domain.errors import MachineError, NotSent, OutcomeUnknown, ProviderError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    SKETCH,
    AttemptId,
    Intent,
    IntentSlot,
    Outcome,
    Rendered,
    RunId,
    Settlement,
    Space,
)
from pipeline.domain.request import Answer, Head, ImageRequest
from pipeline.domain.step import StepKey
from pipeline.ledger import Committer, Ledger
from pipeline.ports import Blocking, Clock, Endpoint, Recorder
from pipeline.provider import salvage
from pipeline.purchase.culprit import culprit
from pipeline.purchase.landed import Landed, is_sketch, landed
from pipeline.purchase.room import Room
from pipeline.purchase.settle import Ending, Settler, any_filled
from pipeline.purchase.telling import ended_event, inputs_of, rendered, request_digest, sent_event
from pipeline.purchase.together import Arrival, Together
from pipeline.purchase.watched import Watched
from pipeline.store import Receipts, Spool, SpoolFlight


@dataclass(slots=True, kw_only=True)
class Address:
    """Where a provider's requests go and which key space its pictures belong to.

    space changes once at most: when an answer turns out to be a sketch of our own gateway.
    """

    name: str
    base_url: str
    profile: Profile
    space: Space
    key_fingerprint: str = ""
    unknown_buys: int = 1
    total: float = 420.0
    price: MicroUsd | None = None


@dataclass(slots=True, kw_only=True)
class Recorded:
    """A `Provider` around an `Endpoint`: the ledger hears of every attempt before the wire does.

    opening: where the spool takes up an attempt (default: *blocking*); a request waits for it, so nothing that takes
    long should be done there. leaving: told that a request leaves now. kept: told that an answer's pictures and
    its receipt are durable, before the ledger has them.
    """

    endpoint: Endpoint
    address: Address
    committer: Committer
    spool: Spool
    receipts: Receipts
    settler: Settler
    blocking: Blocking
    opening: Blocking | None = None
    recorder: Recorder
    clock: Clock
    run_id: RunId
    manifest: str
    boot_id: str
    prices: Mapping[str, MicroUsd] = field(default_factory=dict)
    cuts: list[float] = field(default_factory=list)
    asked: set[StepKey] = field(default_factory=set)
    room: Room = field(default_factory=Room)
    observe: Callable[[Head], None] = lambda head: None
    leaving: Callable[[], None] = lambda: None
    kept: Callable[[], None] = lambda: None
    _together: Together = field(init=False)

    def __post_init__(self) -> None:
        self._together = Together(self.settler, self.receipts, self.blocking)

    async def render(self, request: ImageRequest) -> Rendered:
        """One POST: recorded, sent, spooled, settled. Raises what the attempt ended in, after it is written down."""
        intent = self._intent(request)
        flight = await self._open(intent, request)
        self._tell_sent(intent, request)
        try:
            brought = await self._attempt(request, intent, flight)
        except ProviderError:
            _raise_trouble(flight)
            raise
        finally:
            self.room.freed(intent, flight.size)
        _raise_trouble(flight)
        return brought

    async def _open(self, intent: Intent, request: ImageRequest) -> Watched:
        """Room on disk, then the durable intent. Raises DiskFull, SlotTaken, LedgerFault; then nothing may be sent."""
        flight = Watched(await self.room.reserve(intent, lambda size: self._spooled(intent, size)))
        buys, again, given = self.address.unknown_buys, request.renew, inputs_of(request)

        def open_attempt(ledger: Ledger) -> None:
            ledger.open_attempt(intent, max_buys=buys, again=again)
            if given:
                ledger.memory.record_inputs(given)

        try:
            await self.committer.do(open_attempt)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.blocking(flight.spooled.discard)
            self.room.freed(intent, 0)
            raise
        failpoint("attempt.intent")
        return flight

    async def _spooled(self, intent: Intent, size: int) -> SpoolFlight:
        if self.spool.is_ready(size):
            return self.spool.open(intent.attempt_id, reserve=size, intent=intent)
        place = self.opening or self.blocking
        return await place(lambda: self.spool.open(intent.attempt_id, reserve=size, intent=intent))

    async def _attempt(self, request: ImageRequest, intent: Intent, flight: Watched) -> Rendered:
        """Sends and settles; whatever else happens is written down before it is raised."""
        began = anyio.current_time()
        try:
            came = await self._ask(request, intent, flight, began)
        except ProviderError as error:
            with anyio.CancelScope(shield=True):
                settlement = await self._close(intent, flight, error, anyio.current_time() - began)
            return _brought(intent, settlement, error)
        except MachineError as error:
            with anyio.CancelScope(shield=True):
                await self._lose(intent, flight, error, anyio.current_time() - began)
            raise
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._abandon(intent, flight, anyio.current_time() - began)
            raise
        with anyio.CancelScope(shield=True):
            settlement = await self._settle(intent, flight, came, anyio.current_time() - began)
        return _brought(intent, settlement, OutcomeUnknown(settlement.message or "200 without a usable picture"))

    async def _ask(self, request: ImageRequest, intent: Intent, flight: Watched, began: float) -> Landed | Settlement:
        """The answer with what it points at; already its settlement, receipt written, where all was in it."""
        self.leaving()
        try:
            head = await self.endpoint.post(request, flight)
        except OutcomeUnknown as error:
            # A line may be cut after the last byte that mattered: a body that reads whole is an answer.
            head, answer = await self._read_what_came(flight, error)
        else:
            failpoint("attempt.answered")
            self.observe(head)
            seconds = anyio.current_time() - began
            arrival = Arrival(
                intent=intent,
                endpoint=self.endpoint,
                flight=flight,
                head=head,
                seconds=seconds,
                space=self.address.space,
            )
            read = await self._together.read(arrival)
            if isinstance(read, Settlement):
                if read.outcome is Outcome.DONE and flight.spooled.trouble is None:
                    self.kept()
                return read
            answer = read

        async def bring(position: int, url: str) -> bytes:
            data = await self.endpoint.fetch(url)
            await self.blocking(lambda: flight.spooled.keep_picture(position, data))
            return data

        return await landed(head, answer, bring)

    async def _read_what_came(self, flight: Watched, error: OutcomeUnknown) -> tuple[Head, Answer]:
        head, fragment = flight.seen, await self.blocking(flight.spooled.fragment)
        if head is None or not fragment:
            raise error
        try:
            answer = await self.blocking(lambda: self.endpoint.read(head, fragment))
        except ProviderError:
            raise error from None
        await self.blocking(flight.finish)
        return head, answer

    async def _settle(self, intent: Intent, flight: Watched, came: Landed | Settlement, seconds: float) -> Settlement:
        try:
            if isinstance(came, Settlement):
                settlement = came
                await self._conclude(intent, flight, settlement)
            else:
                settlement = await self._keep(intent, came, seconds)
                await self._write(intent, flight, settlement)
        except MachineError as error:
            await self._lose(intent, flight, error, seconds)  # noqa: ASYNC120 -- under the shield of `_attempt`
            raise
        return settlement

    async def _keep(self, intent: Intent, came: Landed, seconds: float) -> Settlement:
        space = await self._space(sketch=came.answer.sketch)
        return await self.blocking(lambda: self.settler.answered(intent, came, space=space, seconds=seconds))

    async def _space(self, *, sketch: bool) -> Space:
        """Pictures of our own gateway belong to the sketch space, whatever its provider is called."""
        if sketch and self.address.space != SKETCH:
            await self.committer.do(lambda ledger: ledger.learn_sketch(self.address.base_url))
            self.address.space = SKETCH
        return self.address.space

    async def _close(self, intent: Intent, flight: Watched, error: ProviderError, seconds: float) -> Settlement:
        """Writes down an attempt that brought no whole answer; pictures that are whole in what came are kept."""
        guess, came = "", b""
        if isinstance(error, OutcomeUnknown):
            guess = culprit(error, seconds, self.cuts, self.address.total)
            self.cuts.append(seconds)
            came = await self.blocking(flight.spooled.fragment)
        space = await self._space(sketch=is_sketch(flight.seen))
        ending = Ending(error=error, space=space, seconds=seconds, salvaged=salvage(came), culprit=guess)
        settlement = await self.blocking(lambda: self.settler.ended(intent, ending))
        await self._write(intent, flight, settlement)
        return settlement

    async def _lose(self, intent: Intent, flight: Watched, error: MachineError, seconds: float) -> None:
        """The machine failed on the way: a body or receipt that is durable waits for recovery, else the money is
        accounted for."""
        if await self.blocking(lambda: self._is_safe(intent, flight)):
            return
        told: ProviderError = OutcomeUnknown(f"perhaps billed, and what came could not be kept: {error}")
        if not flight.was_sent:
            told = NotSent(f"not sent: {error}")
        space = self.address.space
        ending = Ending(error=told, space=space, seconds=seconds)
        with suppress(MachineError):
            # Where the ledger has no room either, its `sent` row becomes unknown at the next start.
            await self._write(intent, flight, await self.blocking(lambda: self.settler.ended(intent, ending)))

    def _is_safe(self, intent: Intent, flight: Watched) -> bool:
        """Whether recovery can take it from here: from a receipt, or from the body, which is made durable now."""
        if flight.whole:
            with suppress(MachineError):
                flight.finish()
                return True
        return self.receipts.find(intent) is not None

    async def _abandon(self, intent: Intent, flight: Watched, seconds: float) -> None:
        """Cancelled on its way: a body that is whole is left to recovery, the rest is unknown and says why."""
        if flight.whole:
            return
        error: ProviderError = OutcomeUnknown("stopped by a second signal while the answer was on its way")
        if not flight.was_sent:
            error = NotSent("stopped by a second signal before it was sent")
        await self._close(intent, flight, error, seconds)

    async def _write(self, intent: Intent, flight: Watched, settlement: Settlement) -> None:
        await self.blocking(lambda: self._write_receipt(intent, settlement))
        await self._conclude(intent, flight, settlement)

    def _write_receipt(self, intent: Intent, settlement: Settlement) -> None:
        """Durable before the ledger is told: what may have cost something can be proved without it. Blocks."""
        if settlement.outcome is not Outcome.FAILED:
            self.receipts.write(intent, settlement)

    async def _conclude(self, intent: Intent, flight: Watched, settlement: Settlement) -> None:
        """What has its receipt becomes the ledger's; then the spool is no longer needed."""
        await self.committer.do(lambda ledger: ledger.settle(settlement))
        failpoint("attempt.settled")
        # What came is not asked again: a set that forgot nothing would grow with every picture of a run.
        self.asked -= {intent.slots[kept.slot].key for kept in settlement.kept if kept.slot is not None}
        if settlement.outcome is Outcome.UNKNOWN:
            await self.blocking(lambda: flight.spooled.quarantine(settlement.message))
        elif flight.spooled.is_light:
            flight.spooled.discard()
        else:
            await self.blocking(flight.spooled.discard)
        self.recorder(ended_event(intent, settlement))

    def _intent(self, request: ImageRequest) -> Intent:
        slots = tuple(
            IntentSlot(key=ready.key, parts=ready.parts, asset=ready.step.asset, accept=ready.step.accept)
            for ready in request.steps
        )
        return Intent(
            attempt_id=AttemptId(uuid.uuid4().hex),
            run_id=self.run_id,
            space=self.address.space,
            manifest=self.manifest,
            provider=self.address.name,
            endpoint=self.address.base_url,
            protocol=request.protocol,
            model=request.model,
            slots=slots,
            cost_low=request.expected,
            cost_high=request.worst,
            request_digest=request_digest(request),
            key_fingerprint=self.address.key_fingerprint,
            boot_id=self.boot_id,
            opened_at=self.clock.now(),
            notes=tuple(f"{item.filename}: {note}" for item in request.inputs for note in item.notes),
            preset=self.address.profile.name,
            price=self.prices.get(request.steps[0].step.model_alias),
        )

    def _tell_sent(self, intent: Intent, request: ImageRequest) -> None:
        keys = {slot.key for slot in intent.slots}
        self.recorder(sent_event(intent, worst=request.worst, repeat=bool(keys & self.asked)))
        self.asked |= keys


def _raise_trouble(flight: Watched) -> None:
    """What came is safe, but the disk is not: nothing new may be sent."""
    if flight.spooled.trouble is not None:
        raise flight.spooled.trouble


def _brought(intent: Intent, settlement: Settlement, error: ProviderError) -> Rendered:
    """What came for each step, also of an attempt that is unknown otherwise; raises *error* where nothing did."""
    is_unknown = settlement.outcome is Outcome.UNKNOWN
    if settlement.outcome is not Outcome.DONE and not (is_unknown and any_filled(settlement)):
        raise error
    unknown = error if is_unknown and isinstance(error, OutcomeUnknown) else None
    return replace(rendered(intent, settlement), unknown=unknown)
