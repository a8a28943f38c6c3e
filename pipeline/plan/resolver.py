"""Plan cells against the ledger, a batch at a time, level by level along the chains."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import groupby

from pipeline.domain.digest import Digest, Json
from pipeline.domain.record import Slot, Space, State
from pipeline.domain.step import AssetName, StepKey
from pipeline.plan.asking import Asked
from pipeline.plan.cell import PlannedCell
from pipeline.plan.keys import planned_digest
from pipeline.plan.recipe import Recipe
from pipeline.plan.resolved import Resolved
from pipeline.plan.verdict import CACHED, NEW, NEW_EDIT, PARENT_CHANGED, Verdict, judge, orphaned, unreadable
from pipeline.plan.why import changed_words, differences

Lookup = Callable[[Space, Sequence[StepKey]], Mapping[StepKey, Slot]]
"""What the ledger has of some keys in one space; keys it has nothing of are left out."""

Previous = Callable[[Sequence[AssetName]], Mapping[AssetName, Mapping[str, Json]]]
"""The canonical key parts these assets had when they were last recorded; assets without any are left out."""

SpaceOf = Callable[[str], Space]
"""The key space of a provider, by its name."""

Known = Callable[[Space, Sequence[StepKey]], Sequence[bool | None]]
"""What is at hand of keys without a look-up: the picture is there, nobody ever asked for it, or (None) look it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a person said on the command line.

    again: shell patterns of assets to ask anew although the ledger has them. only: of the assets wanted. Both empty by
    default: nothing is asked anew, everything is wanted.
    """

    again: tuple[str, ...] = ()
    retry_refused: bool = False
    only: tuple[str, ...] = ()


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether an asset's name matches any shell pattern; ``*`` also crosses ``/``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(slots=True, kw_only=True, eq=False)
class Chain:
    """The chain of one candidate of a cell while it is resolved.

    asked, recipes: of every depth of the cell. last: the deepest depth that is wanted. steps: what is resolved so far,
    parents first. picture: digest of the picture before the first of them; None where that is a base picture.
    """

    asked: tuple[Asked, ...]
    recipes: tuple[Recipe, ...]
    last: int
    steps: list[Resolved]
    picture: Digest | None = None


class Resolver:
    """Decides for each step of a batch whether it is cached, asked, held or skipped."""

    def __init__(
        self,
        lookup: Lookup,
        *,
        space_of: SpaceOf,
        rules: Rules | None = None,
        previous: Previous | None = None,
        known: Known | None = None,
    ) -> None:
        self._lookup = lookup
        self._space_of = space_of
        self._rules = rules or Rules()
        self._previous = previous
        self._known = None if self._rules.again else known

    def batch(self, cells: Iterable[PlannedCell]) -> list[Resolved]:
        """The wanted steps of these cells, resolved: chain after chain, parents first."""
        return [
            step
            for plan, of_shot in groupby(cells, key=lambda cell: cell.plan)
            for step in (self._pictures(of_shot) if plan.is_single else self._edited(of_shot))
        ]

    def follow(self, before: Resolved, last: int, picture: Digest) -> list[Resolved]:
        """The rest of a chain after *before*, down to depth *last*, now that its picture is there."""
        cell = before.cell
        chain = Chain(
            asked=cell.asked(), recipes=cell.plan.recipes_of(cell.values), last=last, steps=[before], picture=picture
        )
        self._resolve([chain])
        return chain.steps[1:]

    def _pictures(self, cells: Iterable[PlannedCell]) -> list[Resolved]:
        """Cells of a shot without edits: most pictures there are, so nothing is made for them that an edit needs."""
        bases: list[Resolved] = []
        for cell in cells:
            plan, values = cell
            asked = plan.askings[0].asked(values) if plan.is_plain else cell.asked()[0]
            recipe = plan.recipes_of(values)[0]
            bases += [
                _base(cell, candidate, asked, recipe)
                for candidate in plan.candidates
                if not self._rules.only or self._last_wanted(cell, candidate) >= 0
            ]
        self._judge(bases)
        return bases

    def _edited(self, cells: Iterable[PlannedCell]) -> list[Resolved]:
        """Cells of a shot with edits."""
        chains = [chain for cell in cells for chain in self._chains(cell)]
        self._judge([chain.steps[0] for chain in chains])
        self._resolve(chains)
        return [step for chain in chains for step in chain.steps]

    def _chains(self, cell: PlannedCell) -> Iterator[Chain]:
        """The wanted chains of a cell, each begun with its base picture."""
        asked = cell.asked()
        recipes = cell.plan.recipes_of(cell.values)
        last = len(asked) - 1
        for candidate in cell.plan.candidates:
            if self._rules.only:
                last = self._last_wanted(cell, candidate)
            if last >= 0:
                base = _base(cell, candidate, asked[0], recipes[0])
                yield Chain(asked=asked, recipes=recipes, last=last, steps=[base])

    def _last_wanted(self, cell: PlannedCell, candidate: int) -> int:
        """The deepest wanted depth; those before it come along, since an edit needs its parents. -1: none."""
        for depth in range(len(cell.plan.step_ids) - 1, -1, -1):
            if matches(cell.asset(candidate, depth), self._rules.only):
                return depth
        return -1

    def _resolve(self, chains: Iterable[Chain]) -> None:
        """The edits of each chain, a level at a time: a child's key needs its parent's verdict."""
        while chains := [chain for chain in chains if chain.steps[-1].depth < chain.last]:
            for chain in chains:
                chain.steps.append(_edit(chain))
            self._judge([chain.steps[-1] for chain in chains])

    def _judge(self, steps: Sequence[Resolved]) -> None:
        """Looks the steps up and says what is to be done about them."""
        asked: defaultdict[str, list[Resolved]] = defaultdict(list)
        for step in steps:
            if step.final:
                asked[step.recipe.provider].append(step)
        for provider, wanted in asked.items():
            space = self._space_of(provider)
            named = wanted if self._known is None else self._undecided(wanted, space, self._known)
            keys = [step.key for step in named if step.key is not None]
            found = self._lookup(space, keys) if keys else {}
            for step in named if found else ():
                slot = found.get(step.key) if step.key is not None else None
                if slot is not None:
                    step.slot = slot
                    step.verdict = self._verdict(step, slot)
        if self._previous is not None:
            self._explain([step for step in steps if _is_unexplained(step.verdict)], self._previous)

    def _undecided(self, steps: Sequence[Resolved], space: Space, known: Known) -> list[Resolved]:
        """Decides what needs no look-up and gives the rest: a picture that is edited further is looked up, since what
        follows is made from its bytes."""
        rest = []
        keys = [step.key for step in steps if step.key is not None]
        for step, there in zip(steps, known(space, keys), strict=True):
            if there and step.depth + 1 == len(step.cell.plan.step_ids):
                step.verdict = CACHED
            elif there is not False:
                rest.append(step)
        return rest

    def _verdict(self, step: Resolved, slot: Slot) -> Verdict:
        rules = self._rules
        again = bool(rules.again) and matches(step.asset, rules.again)
        return judge(slot, again=again, retry_refused=rules.retry_refused)

    def _explain(self, steps: Sequence[Resolved], previous: Previous) -> None:
        """Says of steps the ledger has nothing of what changed since it last had their assets."""
        named = {step.asset: step for step in steps}
        for name, old in previous(list(named)).items() if named else ():
            step = named[name]
            words = changed_words(differences(old, step.parts().as_json(), chained=step.depth > 0))
            if words:
                step.verdict = replace(step.verdict, why=words, stale=True)


def _is_unexplained(verdict: Verdict) -> bool:
    """Whether nothing says yet why it is asked."""
    return verdict.kind == "new" or verdict is PARENT_CHANGED


def _base(cell: PlannedCell, candidate: int, asked: Asked, recipe: Recipe) -> Resolved:
    """A base picture with its key, or with what keeps it from having one."""
    prompt, given, problem = asked
    if problem:
        return _unreadable(cell, candidate, 0, asked, recipe)
    return Resolved(
        cell=cell,
        candidate=candidate,
        depth=0,
        prompt=prompt,
        given=given,
        recipe=recipe,
        verdict=NEW,
        key=recipe.keys.key(prompt, given.key_inputs, candidate),
        final=True,
    )


def _edit(chain: Chain) -> Resolved:
    """The next edit of a chain with its key, or its plan key while its parent is not there."""
    parent = chain.steps[-1]
    depth = parent.depth + 1
    asked, recipe = chain.asked[depth], chain.recipes[depth]
    if asked.problem:
        return _unreadable(parent.cell, parent.candidate, depth, asked, recipe)
    picture, verdict, final = _after(parent, chain.picture if len(chain.steps) == 1 else None)
    key: StepKey | None = None
    if picture is not None:
        key = recipe.keys.key(asked.prompt, (("image", picture), *asked.given.key_inputs), parent.candidate)
    return Resolved(
        cell=parent.cell,
        candidate=parent.candidate,
        depth=depth,
        prompt=asked.prompt,
        given=asked.given,
        recipe=recipe,
        verdict=verdict,
        key=key,
        final=final,
        parent_picture=picture,
    )


def _unreadable(cell: PlannedCell, candidate: int, depth: int, asked: Asked, recipe: Recipe) -> Resolved:
    return Resolved(
        cell=cell,
        candidate=candidate,
        depth=depth,
        prompt=asked.prompt,
        given=asked.given,
        recipe=recipe,
        verdict=unreadable(asked.problem),
        key=None,
        final=False,
    )


def _after(parent: Resolved, picture: Digest | None) -> tuple[Digest | None, Verdict, bool]:
    """What stands for the parent's picture, what an edit of such a parent is, and whether its key is final.

    picture: just made, where the parent's entry is older than its picture.
    """
    if picture is not None:
        return picture, NEW, True
    if parent.state is State.DONE and parent.slot is not None and parent.slot.image is not None:
        return parent.slot.image.digest, NEW, True
    planned = planned_digest(parent.key) if parent.key is not None else None
    if parent.asks:
        is_new = parent.verdict is NEW or parent.verdict is NEW_EDIT
        return planned, NEW_EDIT if is_new else PARENT_CHANGED, False
    return planned, orphaned(parent.asset, parent.state), False
