"""`run`: from a manifest to pictures on disk. Opens the parts, joins them, closes them."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

import anyio
import anyio.to_thread

from pipeline.app.buying import Buying
from pipeline.app.cautions import paid_notes, refuse_broken, refuse_unpriced
from pipeline.app.desk import fetch_inputs, guard_feeds, space_of
from pipeline.app.ending import Ending, finish
from pipeline.app.exits import Exit, worst
from pipeline.app.forgetting import forget_unwanted
from pipeline.app.locking import take_lock
from pipeline.app.naming import refuse_unmatched, unmatched
from pipeline.app.parts import Counter, Counters, Desk
from pipeline.app.recovering import recover, tidy
from pipeline.app.report import RunReport
from pipeline.app.shop import Order, Shop, open_shop
from pipeline.app.signals import signals, until_asked
from pipeline.app.timing import images_per_minute, month_of
from pipeline.app.world import in_thread
from pipeline.budget import Purse
from pipeline.domain.errors import InputFault, MachineError
from pipeline.domain.event import Note, RunEnded, RunStarted
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import PAID
from pipeline.domain.step import AssetName
from pipeline.ledger import Ledger
from pipeline.plan import Plan, make_plan, sources
from pipeline.provider import Connections
from pipeline.purchase.settle import Settler
from pipeline.schedule import Stop


def run_order(order: Order) -> RunReport:
    """Runs one manifest to its end. Blocks.

    Raises UserError (also FeedGuardError), KeyRefused, LedgerBusy, MachineError, Interrupted before anything is sent
    (perhaps in an ExceptionGroup); once something may have been sent, how it ended is in the report.
    """
    return anyio.run(_run, order)


THREADS: Final = 4
"""Answers and files that are worked on at once: each takes three times an answer's size of memory, and more threads
only hand the interpreter's lock to each other."""


async def _run(order: Order) -> RunReport:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    stop = Stop()
    with ExitStack() as stack:
        async with signals(stop):
            async with until_asked(stop):
                lock = await take_lock(
                    order.places,
                    order.manifest.name,
                    order.world,
                    wait=order.options.wait,
                    recorder=order.recorder,
                )
                stack.enter_context(lock)
                shop = await in_thread(lambda: open_shop(order, stack))
                ready = await _prepare(shop)
            return await _work(shop, ready, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything that is known before money is spent. older_unknown: unsettled attempts of earlier runs."""

    plan: Plan
    settler: Settler
    older_unknown: int
    began: float


async def _prepare(shop: Shop) -> Ready:
    """Settles what was left open, and plans. May be cancelled anywhere: nothing is paid for here."""
    began = anyio.current_time()
    settler = Settler(store=shop.store, catalogue=shop.catalogue, clock=shop.world.clock)
    await recover(shop, settler)
    await in_thread(lambda: tidy(shop))
    guard_feeds(shop.manifest, shop.ledger, accepted="feed" in shop.options.accept)
    await fetch_inputs(shop.manifest, shop.inputs)
    plan = await in_thread(lambda: _plan(shop))
    await in_thread(lambda: _check_patterns(shop, plan))
    if shop.options.choice.strict:
        await in_thread(lambda: refuse_broken(plan, shop.manifest))
    refuse_unpriced(plan, shop.manifest)
    older = await shop.committer.do(lambda ledger: len(ledger.unknown(shop.manifest.name)))
    return Ready(plan=plan, settler=settler, older_unknown=older, began=began)


async def _work(shop: Shop, ready: Ready, stop: Stop) -> RunReport:
    plan = ready.plan
    async with Connections() as connections:
        purse = _purse(shop)
        desk = Desk(
            manifest=shop.manifest,
            world=shop.world,
            ledger=shop.ledger,
            committer=shop.committer,
            spool=shop.spool,
            receipts=shop.receipts,
            settler=ready.settler,
            purse=purse,
            recorder=shop.recorder,
            connections=connections,
            run_id=shop.run_id,
            concurrency=shop.options.choice.concurrency,
        )
        counters = Counters(desk=desk).open(plan.lanes)
        await _begin(shop, plan)
        result, placing = await Buying(shop=shop, plan=plan, counters=counters, purse=purse, stop=stop).run()
    fault = await _afterwards(shop, plan, counters)
    ending = Ending(
        result=result,
        placing=placing,
        fault=fault or placing.fault,
        older_unknown=ready.older_unknown,
        seconds=anyio.current_time() - ready.began,
    )
    report = await in_thread(lambda: finish(shop, ending, stop.insisted.is_set))
    try:
        await shop.committer.do(lambda ledger: ledger.end_run(shop.run_id, exit=report.exit))
    except MachineError as error:
        report = replace(report, exit=worst((report.exit, Exit.FAULT)), stops=(*report.stops, str(error)))
    shop.recorder(RunEnded(run_id=shop.run_id, exit=report.exit))
    return report


async def _afterwards(shop: Shop, plan: Plan, counters: Mapping[str, Counter]) -> MachineError | None:
    """What can wait until the last answer is safe; gives what went wrong, since the report is told all the same."""
    try:
        await _keep_learned(shop, counters)
        if not shop.options.choice.only:
            wanted = sum(count for _, count in plan.totals())
            await in_thread(lambda: forget_unwanted(shop, plan, wanted))
    except MachineError as error:
        return error
    return None


def _plan(shop: Shop) -> Plan:
    """The plan, with every input hashed beforehand so that none is read while answers are on their way."""
    for source in sources(shop.manifest):
        try:
            shop.inputs.digest(source)
        except InputFault:
            continue  # the assets that name it say so
    return make_plan(shop.manifest, shop.inputs, shop.catalogue)


def _check_patterns(shop: Shop, plan: Plan) -> None:
    """Raises UserError for patterns that match nothing; notes them where another manifest may have been meant."""
    if shop.options.alone:
        refuse_unmatched(plan, shop.options.choice)
    for line in unmatched(plan, shop.options.choice):
        shop.recorder(Note(text=line))


def _purse(shop: Shop) -> Purse:
    def spent_on(asset: AssetName) -> MicroUsd:
        money = shop.ledger.money_of_assets(shop.manifest.name, [asset]).get(asset)
        return money.counted if money else FREE

    return Purse(
        shop.manifest.budget,
        per_run=shop.options.choice.budget,
        month=shop.ledger.money_since(month_of(shop.world.clock.now())),
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
            totals=plan.totals(choice.only),
            budget=choice.budget if choice.budget is not None else manifest.budget.per_run,
            images_per_minute=images_per_minute(manifest, plan.lanes),
            limit=choice.limit,
        )
    )


async def _keep_learned(shop: Shop, counters: Mapping[str, Counter]) -> None:
    def keep(ledger: Ledger) -> None:
        for counter in counters.values():
            fingerprint = counter.address.key_fingerprint
            ledger.memory.record_limits(counter.spec.name, fingerprint, counter.pacer.learned().as_json())

    await shop.committer.do(keep)
