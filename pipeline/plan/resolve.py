"""What the ledger says to a plan: which pictures are there, which are asked for, which are held, and why.

``resolve(cells, lookup, space_of=…)`` walks a plan of any length in batches; the frontier uses the same parts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from pipeline.domain.capability import Quote
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Space
from pipeline.plan.cell import PlannedCell
from pipeline.plan.resolved import Resolved
from pipeline.plan.resolver import Lookup, Previous, Resolver, Rules, SpaceOf
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
        self._seen: defaultdict[Space, set[int]] = defaultdict(set)

    def close(self, steps: list[Resolved]) -> list[Resolved]:
        """The same steps, chain after chain, with what may be asked told from what may not and prices on what is."""
        if self._left is not None or self._marks_twins:
            self._admit(steps)
        packed: list[Resolved] = []
        for step in steps:
            if step.verdict.asks:
                if step.depth == 0 and step.cell.plan.shot.per_request > 1:
                    packed.append(step)
                else:
                    step.quote, step.leads = step.price(1), True
        _pack(packed)
        return steps

    def _admit(self, steps: Iterable[Resolved]) -> None:
        """Marks what is a twin or beyond the limit; an edit of a parent that is not asked waits with it."""
        waits = False
        for step in steps:
            waits = waits and step.depth > 0
            if step.verdict.asks:
                step.verdict = WAITS if waits else self._admitted(step)
                waits = waits or step.verdict is BEYOND

    def _admitted(self, step: Resolved) -> Verdict:
        if self._is_known(step):
            return TWIN if self._marks_twins else step.verdict
        if self._left is not None:
            if self._left <= 0:
                return BEYOND
            self._left -= 1
        return step.verdict

    def _is_known(self, step: Resolved) -> bool:
        """Whether the same is asked already; from now on it is, unless the limit is reached."""
        seen = self._seen[self._space_of(step.recipe.provider)]
        at = hash(step.key)
        known = at in seen
        if self._left != 0:
            seen.add(at)
        return known


def _pack(bases: Sequence[Resolved]) -> None:
    """Prices base pictures of shots that pack candidates: up to ``per_request`` of one cell share a request."""
    for _, group in groupby(bases, key=lambda step: id(step.cell)):
        candidates = list(group)
        per_request = candidates[0].cell.plan.shot.per_request
        for start in range(0, len(candidates), per_request):
            pack = candidates[start : start + per_request]
            quote = _share(pack[0].price(len(pack)), len(pack))
            for step in pack:
                step.quote, step.leads = quote, step is pack[0]


def _share(quote: Quote | None, count: int) -> Quote | None:
    """One step's part of a request's price, rounded up."""
    if quote is None or count == 1:
        return quote
    return Quote(
        expected=MicroUsd(-(-quote.expected // count)),
        worst=MicroUsd(-(-quote.worst // count)),
        source=quote.source,
        tokens=quote.tokens // count,
    )
