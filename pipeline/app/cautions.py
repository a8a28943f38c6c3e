"""What a run says or refuses before money may be spent."""

from collections.abc import Iterator

from pipeline.domain.errors import UserError
from pipeline.domain.money import MicroUsd
from pipeline.ledger import Ledger
from pipeline.manifest.model import Manifest
from pipeline.plan import Plan

NAMED = 20
"""Broken assets that are named; a feed can have thousands."""


def refuse_broken(plan: Plan, manifest: Manifest) -> None:
    """Raises UserError naming assets whose row or photo is broken: what ``--strict`` makes fatal. Blocks."""
    broken = [
        f"{manifest.file}: {cell.asset(1, 0)}: {problem} (correct it, or leave out --strict: only its own assets fail)"
        for cell in plan.cells_in_order()
        if (problem := next((asked.problem for asked in cell.asked() if asked.problem), ""))
    ]
    if len(broken) > NAMED:
        broken[NAMED:] = [f"{manifest.file}: and {len(broken) - NAMED} more"]
    if broken:
        raise UserError("\n".join(broken))


def refuse_unpriced(plan: Plan, manifest: Manifest) -> None:
    """Raises UserError when a paid model of the plan has no price and `budget.unpriced` does not allow that."""
    if manifest.budget.unpriced == "allow":
        return
    for alias, provider, model in unpriced(plan):
        raise UserError(
            f"{manifest.file}: models.{alias}: no price is known for {model} at {provider}, so no budget can hold it"
            " (write `price: 0.04 USD` at the model, or `budget: {unpriced: allow}`)"
        )


def unpriced(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Alias, provider and model of each paid recipe without a price."""
    for shot in plan.shots:
        for recipes in shot.recipes.values():
            for recipe in recipes:
                if recipe.rate.quote(100, (), 1) is None:
                    yield recipe.alias, recipe.provider, recipe.model


def is_paid(plan: Plan, manifest: Manifest) -> bool:
    """Whether any provider of the plan costs money."""
    return any(not manifest.providers[name].profile.free for name in plan.lanes)


def paid_notes(manifest: Manifest, plan: Plan, ledger: Ledger, budget: MicroUsd | None) -> Iterator[str]:
    """What a paid run says first: a new ledger, no budget."""
    if not is_paid(plan, manifest):
        return
    if ledger.is_new:
        yield "this output folder has no ledger yet: everything will be bought (is --output the right one?)"
    if budget is None and manifest.budget.per_run is None:
        yield "no budget.per_run: this run may spend whatever its plan costs (see `pipeline plan`, or use --budget)"
