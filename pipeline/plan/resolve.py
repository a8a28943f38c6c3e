"""What the ledger says to a plan: which pictures are there, which are asked for, which are held, and why.

``resolve(cells, lookup, space_of=…)`` walks a plan of any length in batches; the frontier uses the same parts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from pipeline.domain.record import Space
from pipeline.plan.cell import PlannedCell
from pipeline.plan.resolved import Resolved
from pipeline.plan.resolver import Known, Lookup, Previous, Resolver, Rules, SpaceOf
from pipeline.plan.verdict import BEYOND, TWIN, WAITS, Verdict

BATCH = 1000
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
    known: Known | None = None,
    batch: int = BATCH,
) -> Iterator[Resolved]:
    """Every step of *cells* with what the ledger says to it: cell by cell, candidate by candidate, parents first.

    again: patterns (as in the shell) of asset names to ask anew although the ledger has them. only: patterns of the
    assets wanted; the parents they need come along, nothing else is given. limit: steps asked for at most; further ones
    stay planned. previous: for `why`. known: spares look-ups; a step it decides has no slot. Two steps that ask the
    same are asked once: the second is a twin.
    """
    rules = Rules(again=tuple(again), retry_refused=retry_refused, only=tuple(only))
    resolver = Resolver(lookup, space_of=space_of, rules=rules, previous=previous, known=known)
    closing = Closing(space_of, limit=limit, marks_twins=True)
    remaining = iter(cells)
    while taken := list(islice(remaining, batch)):
        yield from closing.close(resolver.batch(taken))


class Closing:
    """Finishes resolved steps: counts what may still be asked, finds twins, packs candidates.

    marks_twins: off where somebody else looks after them. What is asked already is remembered as 64-bit hashes, a
    hundred bytes an asked step and nothing for the rest.
    """

    def __init__(self, space_of: SpaceOf, *, limit: int | None = None, marks_twins: bool = False) -> None:
        self._space_of = space_of
        self._left = limit
        self._marks_twins = marks_twins
        self._seen: defaultdict[Space, set[int]] = defaultdict(set)

    @property
    def is_rationed(self) -> bool:
        """Whether looking at a step may take away what another could be asked with: a limit that is not reached yet."""
        return self._left is not None and self._left > 0

    def close(self, steps: list[Resolved]) -> list[Resolved]:
        """The same steps, chain after chain, with what may be asked told from what may not."""
        if self._left is not None:
            self._limit(steps)
        elif self._marks_twins:
            self._mark(steps)
        if any(plan.packs for plan in {step.cell.plan for step in steps}):
            _pack(step for step in steps if step.cell.plan.packs and step.depth == 0 and step.asks)
        return steps

    def _mark(self, steps: Iterable[Resolved]) -> None:
        """Marks what asks the same as an earlier step."""
        recipe, seen = None, set[int]()
        for step in steps:
            if step.verdict.asks:
                if step.recipe is not recipe:
                    recipe = step.recipe
                    seen = self._seen[self._space_of(recipe.provider)]
                at = hash(step.key)
                if at in seen:
                    step.verdict = TWIN
                seen.add(at)

    def _limit(self, steps: Iterable[Resolved]) -> None:
        """Marks what is beyond the limit, and twins, which cost nothing of it; an edit of a parent that is not asked
        waits with it."""
        waits = False
        for step in steps:
            waits = waits and step.depth > 0
            if step.asks:
                step.verdict = WAITS if waits else self._admitted(step)
                waits = waits or step.verdict is BEYOND

    def _admitted(self, step: Resolved) -> Verdict:
        if self._is_known(step):
            return TWIN if self._marks_twins else step.verdict
        if self._left == 0:
            return BEYOND
        self._left = self._left - 1 if self._left is not None else None
        return step.verdict

    def _is_known(self, step: Resolved) -> bool:
        """Whether the same is asked already; from now on it is, unless the limit is reached."""
        seen = self._seen[self._space_of(step.recipe.provider)]
        at = hash(step.key)
        if at in seen:
            return True
        if self._left != 0:
            seen.add(at)
        return False


def _pack(bases: Iterable[Resolved]) -> None:
    """Lets base pictures of one cell share requests, up to ``per_request`` each."""
    for _, group in groupby(bases, key=lambda step: id(step.cell)):
        candidates = list(group)
        per_request = candidates[0].cell.plan.shot.per_request
        for start in range(0, len(candidates), per_request):
            pack = candidates[start : start + per_request]
            for step in pack:
                step.shares, step.behind = len(pack), step is not pack[0]
