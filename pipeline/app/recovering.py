"""What earlier runs left open, settled before anything new is asked, with this manifest's keys and hosts."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from pipeline.app.desk import keys_of
from pipeline.app.shop import Shop
from pipeline.app.world import in_thread
from pipeline.domain.errors import KeyRefused
from pipeline.domain.secret import Secret
from pipeline.manifest.model import ProviderSpec
from pipeline.provider import Connections, Downloader, endpoint_for, readers
from pipeline.purchase.recover import Recovery
from pipeline.purchase.settle import Settler
from pipeline.store import Tree


async def recover(shop: Shop, settler: Settler) -> None:
    """Settles every attempt that a dead process left open; says so in one note. May be cancelled anywhere."""
    keys = keys_of(shop.manifest, shop.world)
    async with Connections() as connections:
        await Recovery(
            committer=shop.committer,
            spool=shop.spool,
            receipts=shop.receipts,
            settler=settler,
            readers=readers(keys.values()),
            fetch=_fetcher(shop, keys, connections),
            blocking=in_thread,
            recorder=shop.recorder,
            boot_id=shop.world.boot,
        ).run()


def tidy(shop: Shop) -> None:
    """Removes what killed processes left half written; call it before this run's first row. Blocks.

    The output tree is walked only after a run that has no end: that takes seconds where there are a million files.
    """
    shop.store.sweep()
    shop.inputs.sweep()
    name = shop.manifest.name
    tree = Tree(shop.places.output, shop.store)
    tree.sweep_sheet(name)
    if any(run.ended_at is None for run in shop.ledger.runs(name, limit=1)):
        tree.sweep(name)


def _fetcher(shop: Shop, keys: dict[str, Secret], connections: Connections) -> Callable[[str], Awaitable[bytes]]:
    """How a url result is fetched again: by the provider at whose own address it lies, with its key; else without."""
    specs = shop.manifest.providers
    allowed = tuple(dict.fromkeys(host for spec in specs.values() for host in spec.allow_private))
    anywhere = Downloader(allow_private=allowed)

    async def fetch(url: str) -> bytes:
        for name, spec in specs.items():
            if _lies_at(url, spec):
                try:
                    endpoint = endpoint_for(spec, spec.protocol, keys.get(name, ""), connections=connections)
                except KeyRefused:
                    continue
                return await endpoint.fetch(url)
        return await anywhere.fetch(url)

    return fetch


def _lies_at(url: str, spec: ProviderSpec) -> bool:
    try:
        there, here = urlsplit(url), urlsplit(spec.base_url)
    except ValueError:
        return False
    return (there.scheme, there.netloc) == (here.scheme, here.netloc)
