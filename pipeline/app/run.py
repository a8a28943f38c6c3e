"""`run`: from a manifest to pictures on disk. Opens the parts, joins them, closes them."""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

import anyio

from pipeline.app.buying import Buying
from pipeline.app.cautions import paid_notes, refuse_unpriced
from pipeline.app.desk import fetch_inputs, guard_feeds, space_of
from pipeline.app.ending import exit_of, finish
from pipeline.app.forgetting import forget_unwanted
from pipeline.app.locking import take_lock
from pipeline.app.options import RunOptions
from pipeline.app.parts import Counter, Counters, Desk
from pipeline.app.report import RunReport
from pipeline.app.shop import Shop, open_shop, take_order
from pipeline.app.tally import Tally
from pipeline.app.world import World, in_thread
from pipeline.budget import Purse
from pipeline.domain.errors import InputFault
from pipeline.domain.event import Note, RunEnded, RunStarted
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import PAID
from pipeline.domain.step import AssetName
from pipeline.ledger import Ledger
from pipeline.plan import Plan, make_plan, sources
from pipeline.ports import Recorder
from pipeline.provider import Connections, Downloader, readers
from pipeline.purchase.recover import Recovery
from pipeline.purchase.settle import Settler
from pipeline.schedule import Stop


def run_manifest(options: RunOptions, world: World, tally: Tally, recorder: Recorder) -> RunReport:
    """Runs one manifest to its end. Blocks.

    Raises UserError (also FeedGuardError), LedgerBusy, MachineError before anything is sent; once something may have
    been sent, how it ended is in the report.
    """
    return anyio.run(_run, options, world, tally, recorder)


async def _run(options: RunOptions, world: World, tally: Tally, recorder: Recorder) -> RunReport:
    order = take_order(options, world, tally, recorder)
    stop = Stop()
    with ExitStack() as stack:
        async with signals(stop):
            lock = await take_lock(order.places, order.manifest.name, world, wait=options.wait, recorder=recorder)
            stack.enter_context(lock)
            shop = await in_thread(lambda: open_shop(order, stack))
            return await _work(shop, stop)


async def _work(shop: Shop, stop: Stop) -> RunReport:
    began = anyio.current_time()
    settler = Settler(store=shop.store, catalogue=shop.catalogue, clock=shop.world.clock)
    await _recover(shop, settler)
    guard_feeds(shop.manifest, shop.ledger, accepted="feed" in shop.options.accept)
    await fetch_inputs(shop.manifest, shop.inputs)
    plan = await in_thread(lambda: _plan(shop))
    refuse_unpriced(plan, shop.manifest)
    older = await shop.committer.do(lambda ledger: len(ledger.unknown(shop.manifest.name)))
    async with Connections() as connections:
        purse = _purse(shop)
        desk = Desk(
            manifest=shop.manifest,
            world=shop.world,
            ledger=shop.ledger,
            committer=shop.committer,
            spool=shop.spool,
            receipts=shop.receipts,
            settler=settler,
            purse=purse,
            recorder=shop.recorder,
            connections=connections,
            run_id=shop.run_id,
            concurrency=shop.options.choice.concurrency,
        )
        counters = Counters(desk=desk).open(plan.lanes)
        await _begin(shop, plan)
        result, placing = await Buying(shop=shop, plan=plan, counters=counters, purse=purse, stop=stop).run()
    exit_status = exit_of(shop, result, placing, older)
    await _keep_learned(shop, counters)
    if not shop.options.choice.only:
        wanted = sum(count for _, count in plan.totals())
        await in_thread(lambda: forget_unwanted(shop, plan, wanted))
    seconds = anyio.current_time() - began
    report = await in_thread(lambda: finish(shop, result, placing, exit_status=exit_status, seconds=seconds))
    await shop.committer.do(lambda ledger: ledger.end_run(shop.run_id, exit=report.exit))
    shop.recorder(RunEnded(run_id=shop.run_id, exit=report.exit))
    return report


async def _recover(shop: Shop, settler: Settler) -> None:
    await Recovery(
        committer=shop.committer,
        spool=shop.spool,
        receipts=shop.receipts,
        settler=settler,
        readers=readers(),
        fetch=Downloader().fetch,
        blocking=in_thread,
        recorder=shop.recorder,
        boot_id=shop.world.boot,
    ).run()


def _plan(shop: Shop) -> Plan:
    """The plan, with every input hashed beforehand so that none is read while answers are on their way."""
    for source in sources(shop.manifest):
        try:
            shop.inputs.digest(source)
        except InputFault:
            continue  # the assets that name it say so
    return make_plan(shop.manifest, shop.inputs, shop.catalogue)


def _purse(shop: Shop) -> Purse:
    month = shop.world.clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def spent_on(asset: AssetName) -> MicroUsd:
        money = shop.ledger.money_of_assets(shop.manifest.name, [asset]).get(asset)
        return money.counted if money else FREE

    return Purse(
        shop.manifest.budget,
        per_run=shop.options.choice.budget,
        month=shop.ledger.money_since(month),
        spent_on=spent_on,
    )


async def _begin(shop: Shop, plan: Plan) -> None:
    """The run's first row, the feed it goes by, and what a person should know before money is spent."""
    choice, manifest = shop.options.choice, shop.manifest
    for note in paid_notes(manifest, plan, shop.ledger, choice.budget):
        shop.recorder(Note(text=note))
    spaces = {space_of(manifest.providers[name], shop.ledger) for name in plan.lanes}
    space = spaces.pop() if len(spaces) == 1 else PAID

    def begin(ledger: Ledger) -> None:
        ledger.begin_run(shop.run_id, manifest=manifest.name, space=space)
        for source in manifest.sources.values():
            ledger.memory.record_feed(manifest.name, source.name, shop.run_id, source.digests)

    await shop.committer.do(begin)
    shop.recorder(
        RunStarted(
            run_id=shop.run_id,
            manifest=manifest.name,
            totals=plan.totals(),
            budget=choice.budget if choice.budget is not None else manifest.budget.per_run,
        )
    )


async def _keep_learned(shop: Shop, counters: Mapping[str, Counter]) -> None:
    def keep(ledger: Ledger) -> None:
        for counter in counters.values():
            fingerprint = counter.address.key_fingerprint
            ledger.memory.record_limits(counter.spec.name, fingerprint, counter.pacer.learned().as_json())

    await shop.committer.do(keep)


@asynccontextmanager
async def signals(stop: Stop) -> AsyncIterator[None]:
    """SIGINT and SIGTERM become wishes to stop: the first in order, the second at once."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_listen, stop)
        yield
        tasks.cancel_scope.cancel()


async def _listen(stop: Stop) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            name, status = ("interrupted", 130) if number == signal.SIGINT else ("terminated", 143)
            stop.request(name, exit=status)
