"""What the ledger says to a plan: which pictures are there, which are asked for, which are held, and why.

``resolve(cells, lookup, space_of=…)`` walks a plan of any length in batches; the frontier uses the same parts.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from pipeline.domain.capability import Quote
from pipeline.domain.money import MicroUsd
from pipeline.plan.asking import Asked
from pipeline.plan.cell import PlannedCell
from pipeline.plan.resolved import Resolved
from pipeline.plan.resolver import Draft, Entry, Lookup, Previous, Resolver, Rules, SpaceOf
from pipeline.plan.verdict import BEYOND, TWIN, WAITS, Verdict

BATCH = 2000
"""Cells looked up together: enough for one statement to pay, little enough to be nothing in memory."""


def resolve(
    cells: Iterable[PlannedCell],
    lookup: Lookup,
    *,
    space_of: SpaceOf,
    again: Sequence[str] = (),
    retry_refused: bool = False,
    only: Sequence[str] = (),
    limit: int | None = None,
    previous: Previous | None = None,
    batch: int = BATCH,
) -> Iterator[Resolved]:
    """Every step of *cells* with what the ledger says to it: cell by cell, candidate by candidate, parents first.

    again: patterns (as in the shell) of asset names to ask anew although the ledger has them. only: patterns of the
    assets wanted; the parents they need come along, nothing else is given. limit: steps asked for at most; further ones
    stay planned. previous: for `why`. Two steps that ask the same are asked once: the second is a twin.
    """
    rules = Rules(again=tuple(again), retry_refused=retry_refused, only=tuple(only))
    resolver = Resolver(lookup, space_of=space_of, rules=rules, previous=previous)
    closing = Closing(space_of, limit=limit, marks_twins=True)
    remaining = iter(cells)
    while taken := list(islice(remaining, batch)):
        yield from closing.close(resolver.batch(taken))


class Closing:
    """Turns resolved chains into entries: counts what may still be asked, finds twins, packs candidates, prices.

    marks_twins: off where somebody else looks after them. What is asked already is remembered as 64-bit hashes, a
    hundred bytes an asked step and nothing for the rest.
    """

    def __init__(self, space_of: SpaceOf, *, limit: int | None = None, marks_twins: bool = False) -> None:
        self._space_of = space_of
        self._left = limit
        self._marks_twins = marks_twins
        self._seen: set[int] = set()

    def close(self, drafts: Sequence[Draft]) -> Iterator[Resolved]:
        """The entries of the drafts in their order, parents first."""
        for draft in drafts:
            self._admit(draft)
        for _, cell_drafts in groupby(drafts, key=lambda draft: id(draft.cell)):
            yield from _entries(list(cell_drafts))

    def _admit(self, draft: Draft) -> None:
        """Marks what is a twin or beyond the limit; an edit of a parent that is not asked waits with it."""
        waits = False
        for depth, entry in enumerate(draft.entries, draft.first):
            if entry.verdict.asks:
                provider = draft.recipes[depth].provider
                entry.verdict = WAITS if waits else self._admitted(entry, provider)
            waits = waits or entry.verdict is BEYOND

    def _admitted(self, entry: Entry, provider: str) -> Verdict:
        known = self._is_known(entry, provider) if self._marks_twins or self._left is not None else False
        if known:
            return TWIN if self._marks_twins else entry.verdict
        if self._left is not None:
            if self._left <= 0:
                return BEYOND
            self._left -= 1
        return entry.verdict

    def _is_known(self, entry: Entry, provider: str) -> bool:
        """Whether the same is asked already; from now on it is, unless the limit is reached."""
        at = hash((self._space_of(provider), entry.key))
        known = at in self._seen
        if self._left != 0:
            self._seen.add(at)
        return known


def _entries(drafts: Sequence[Draft]) -> Iterator[Resolved]:
    """The candidates of one cell; their base pictures share requests where the shot packs them."""
    per_request = drafts[0].cell.plan.shot.per_request
    packs = _packs(drafts, per_request) if per_request > 1 else {}
    for draft in drafts:
        for depth, entry in enumerate(draft.entries, draft.first):
            count, leads = packs.get(draft.candidate, (1, True)) if depth == 0 else (1, True)
            asks = entry.verdict.asks
            yield Resolved(
                cell=draft.cell,
                candidate=draft.candidate,
                depth=depth,
                asked=draft.asked[depth],
                verdict=entry.verdict,
                key=entry.key,
                final=entry.final,
                parent_picture=entry.parent_picture,
                slot=entry.slot,
                quote=_share(draft, depth, count) if asks else None,
                leads=leads and asks,
            )


def _packs(drafts: Sequence[Draft], per_request: int) -> dict[int, tuple[int, bool]]:
    """For each candidate whose base picture is asked: how many share its request, and whether it is the first."""
    asked = [draft.candidate for draft in drafts if draft.first == 0 and draft.entries[0].verdict.asks]
    packs = (asked[start : start + per_request] for start in range(0, len(asked), per_request))
    return {candidate: (len(pack), at == 0) for pack in packs for at, candidate in enumerate(pack)}


def _share(draft: Draft, depth: int, count: int) -> Quote | None:
    """One step's part of the price of a request for *count* pictures, rounded up."""
    quote = price(draft.cell, draft.asked[depth], depth, count)
    if quote is None or count == 1:
        return quote
    return Quote(
        expected=MicroUsd(-(-quote.expected // count)),
        worst=MicroUsd(-(-quote.worst // count)),
        source=quote.source,
        tokens=quote.tokens // count,
    )


def price(cell: PlannedCell, asked: Asked, depth: int, count: int) -> Quote | None:
    """The price of one request for *count* pictures of a step, the parent's picture taken at its expected size."""
    recipes = cell.plan.recipes_of(cell.values)
    sizes = asked.sizes if depth == 0 else (recipes[depth - 1].size, *asked.sizes)
    return recipes[depth].rate.quote(len(asked.prompt), sizes, count)
