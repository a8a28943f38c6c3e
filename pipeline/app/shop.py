"""Everything that is open while a manifest is run, opened in the order that loses nothing."""

import uuid
from contextlib import ExitStack
from dataclasses import dataclass

from pipeline.app.desk import keys_of, load_manifest
from pipeline.app.options import RunOptions
from pipeline.app.tally import Tally
from pipeline.app.world import World, output_of
from pipeline.catalogue import DatedCatalogue
from pipeline.domain.errors import LedgerFault
from pipeline.domain.record import RunId
from pipeline.inputs import InputDesk
from pipeline.ledger import Committer, Ledger, open_ledger
from pipeline.manifest.model import Manifest
from pipeline.ports import Recorder
from pipeline.store import FileStore, Places, Receipts, Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that is asked for: what, by whom, told to whom; nothing is open yet."""

    options: RunOptions
    world: World
    tally: Tally
    recorder: Recorder
    manifest: Manifest
    catalogue: DatedCatalogue
    places: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A run whose lock is held and whose ledger is open for writing."""

    options: RunOptions
    world: World
    tally: Tally
    recorder: Recorder
    manifest: Manifest
    catalogue: DatedCatalogue
    places: Places
    ledger: Ledger
    committer: Committer
    store: FileStore
    spool: Spool
    receipts: Receipts
    inputs: InputDesk
    run_id: RunId


def take_order(options: RunOptions, world: World, tally: Tally, recorder: Recorder) -> Order:
    """Reads the manifest. Raises ManifestError."""
    manifest, catalogue = load_manifest(options.choice, world)
    return Order(
        options=options,
        world=world,
        tally=tally,
        recorder=recorder,
        manifest=manifest,
        catalogue=catalogue,
        places=Places(output=output_of(options.choice.manifest, options.choice.output)),
    )


def open_for_writing(places: Places, world: World) -> Ledger:
    """The ledger of an output folder, for whoever holds its lock. Blocks.

    Raises LedgerFault for a file that is damaged, newer or missing beside receipts of earlier purchases, MachineError
    for a folder that cannot be written.
    """
    places.make()
    ledger = open_ledger(places.state, write=True, host=world.host, boot_id=world.boot, now=world.clock.now)
    if ledger.is_unread:
        ledger.close()
        raise LedgerFault(
            f"{places.ledger}: receipts and images of earlier purchases lie beside it that it does not know: nothing is"
            " sent (`pipeline verify --rebuild` reads them in)"
        )
    return ledger


def open_shop(order: Order, stack: ExitStack) -> Shop:
    """Opens ledger, store and spool; *stack* closes them. Blocks. Raises as `open_for_writing`."""
    places = order.places
    keys = tuple(keys_of(order.manifest, order.world).values())
    ledger = stack.enter_context(open_for_writing(places, order.world))
    spool = Spool(places.spool, places.quarantine, secrets=keys)
    stack.callback(spool.close)
    return Shop(
        options=order.options,
        world=order.world,
        tally=order.tally,
        recorder=order.recorder,
        manifest=order.manifest,
        catalogue=order.catalogue,
        places=places,
        ledger=ledger,
        committer=Committer(ledger),
        store=FileStore(places.images),
        spool=spool,
        receipts=Receipts(places.receipts),
        inputs=InputDesk(places.inputs),
        run_id=RunId(f"{order.world.clock.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"),
    )
