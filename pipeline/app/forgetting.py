"""Assets that the manifest does not want any more leave the ledger's list; their pictures and keys stay."""

from pipeline.app.shop import Shop
from pipeline.domain.record import Space
from pipeline.plan import Plan


def forget_unwanted(shop: Shop, plan: Plan, wanted: int) -> int:
    """Drops rows of assets that are in no cell of the plan; gives how many. Blocks.

    wanted: how many assets the plan has. Only when the ledger lists more than that are names compared, so that a
    night without a change costs one count.
    """
    listed: dict[Space, int] = {}
    for tally in shop.ledger.tallies(shop.manifest.name):
        listed[tally.space] = listed.get(tally.space, 0) + tally.assets
    crowded = [space for space, count in listed.items() if count > wanted]
    if not crowded:
        return 0
    names = {step.asset for cell in plan.cells_in_order() for chain in cell.chains for step in chain}
    dropped = 0
    for space in crowded:
        gone = [row.asset for row in shop.ledger.assets(shop.manifest.name, space) if row.asset not in names]
        shop.ledger.drop_assets(shop.manifest.name, space, gone)
        dropped += len(gone)
    return dropped
