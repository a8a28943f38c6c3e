"""The paid part of a run: the schedule over the frontier, and beside it the one task that places what comes."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel

from pipeline.app.parts import Counter
from pipeline.app.placing import Placing
from pipeline.app.shop import Shop
from pipeline.app.timing import seconds_until
from pipeline.app.world import in_thread
from pipeline.budget import Purse
from pipeline.domain.digest import Digest
from pipeline.domain.image import Image
from pipeline.domain.record import PAID, Space
from pipeline.execute import Execution
from pipeline.ledger import Ledger
from pipeline.plan import Frontier, Plan, StepResult, Work
from pipeline.plan.resolver import Rules
from pipeline.schedule import Ended, Lane, ScheduleResult, Stop, StopRules, run_schedule
from pipeline.store import FileStore, Tree

LOOK = 250
"""Cells that are looked at beforehand at one stroke: a few milliseconds."""

PAUSE = 0.02
"""Seconds until it is looked again whether what was found is placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Kept pictures for chains: facts from the ledger, bytes from the store."""

    ledger: Ledger
    store: FileStore

    def image(self, digest: Digest) -> Image | None:
        """The facts of a kept picture; None for a stranger."""
        return self.ledger.pictures.find(digest)

    def path(self, image: Image) -> Path:
        """Where its bytes are."""
        return self.store.path(image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buying:
    """A plan about to be bought at its counters."""

    shop: Shop
    plan: Plan
    counters: dict[str, Counter]
    purse: Purse
    stop: Stop

    def space_of(self, provider: str) -> Space:
        """The key space of a provider at this moment: an answer may teach it."""
        return self.counters[provider].address.space if provider in self.counters else PAID

    async def run(self) -> tuple[ScheduleResult, Placing]:
        """Does all that can be done; every asset of the plan has an end when it returns."""
        placing = self._placing()
        frontier = self._frontier(placing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(placing.work)
            try:
                result = await self._schedule(frontier, placing)
            finally:
                frontier.close()
                placing.close()
        return result, placing

    def _placing(self) -> Placing:
        shop = self.shop
        return Placing(
            output=shop.places.output,
            manifest=shop.manifest.name,
            run_id=shop.run_id,
            tree=Tree(shop.places.output, shop.store),
            ledger=shop.ledger,
            committer=shop.committer,
            blocking=in_thread,
            clock=shop.world.clock,
            recorder=shop.recorder,
            space_of=self.space_of,
            xmp=shop.manifest.output.xmp,
        )

    def _frontier(self, placing: Placing) -> Frontier:
        choice = self.shop.options.choice
        return Frontier(
            self.plan,
            self.shop.ledger.slots,
            space_of=self.space_of,
            report=placing.settled,
            rules=Rules(again=choice.again, retry_refused=choice.retry_refused, only=choice.only),
            limit=choice.limit,
        )

    def _execution(self) -> Execution:
        shop = self.shop
        return Execution(
            providers={name: counter.provider for name, counter in self.counters.items()},
            specs=shop.manifest.providers,
            catalogue=shop.catalogue,
            desk=shop.inputs,
            pictures=Pictures(ledger=shop.ledger, store=shop.store),
            purse=self.purse,
            blocking=in_thread,
        )

    async def _schedule(self, frontier: Frontier, placing: Placing) -> ScheduleResult:
        execution = self._execution()

        async def execute(work: Work) -> Ended[tuple[StepResult | None, ...]]:
            await placing.room()
            executed = await execution(work)
            return Ended(outcome=executed.results, error=executed.error, failed=executed.failed)

        run = self.shop.manifest.run
        until = seconds_until(run, self.shop.world.clock.now())
        return await run_schedule(
            frontier,
            execute,
            [_lane(frontier, placing, counter) for counter in self.counters.values()],
            stop=self.stop,
            rules=StopRules(
                failures_in_a_row=run.failures_in_a_row,
                unknown_in_a_row=run.unknown_in_a_row,
                fail_fast=self.shop.options.fail_fast,
            ),
            deadline=None if until is None else anyio.current_time() + until,
            recorder=self.shop.recorder,
        )


def _lane(frontier: Frontier, placing: Placing, counter: Counter) -> Lane:
    """The lane of a provider; it takes up new work only while what was made is placed as fast as it comes."""
    name = counter.spec.name

    async def seat() -> AbstractContextManager[object]:
        await placing.room()
        # A plan that is all there is walked batch by batch, so that answers are heard and copies placed meanwhile.
        while frontier.pull(name):
            await placing.room()
            await anyio.lowlevel.checkpoint()
        # While answers are awaited, what comes later is looked at: what is there is told, and what is left known. Here
        # nothing is waited for but a seat: copies may take long, and requests must not wait for them.
        while not counter.pacer.has_seat():
            if placing.is_short and not frontier.look_ahead(name, LOOK):
                break
            await anyio.sleep(0 if placing.is_short else PAUSE)
        return await counter.pacer.seat()

    return Lane(name=name, seats=seat, close=counter.pacer.close, expected=counter.pacer.seconds)
