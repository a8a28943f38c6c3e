"""Plan cells against the ledger, a batch at a time, level by level along the chains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from pipeline.domain.digest import Digest, Json
from pipeline.domain.record import Slot, Space, State
from pipeline.domain.step import AssetName, StepKey
from pipeline.plan.asking import Asked
from pipeline.plan.cell import PlannedCell
from pipeline.plan.keys import planned_digest
from pipeline.plan.recipe import Recipe
from pipeline.plan.resolved import Resolved
from pipeline.plan.verdict import NEW, NEW_EDIT, PARENT_CHANGED, Verdict, judge, orphaned, unreadable
from pipeline.plan.why import changed_words, differences

Lookup = Callable[[Space, Sequence[StepKey]], Mapping[StepKey, Slot]]
"""What the ledger has of some keys in one space; keys it has nothing of are left out."""

Previous = Callable[[Sequence[AssetName]], Mapping[AssetName, Mapping[str, Json]]]
"""The canonical key parts these assets had when they were last recorded; assets without any are left out."""

SpaceOf = Callable[[str], Space]
"""The key space of a provider, by its name."""

_UNEXPLAINED = (NEW, NEW_EDIT, PARENT_CHANGED)


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

    asked, recipes: of every depth. first: the depth that `steps` begins with, and picture the digest of its parent's
    picture (None at depth 0). last: the deepest depth that is wanted.
    """

    cell: PlannedCell
    candidate: int
    asked: tuple[Asked, ...]
    recipes: tuple[Recipe, ...]
    last: int
    first: int = 0
    picture: Digest | None = None
    steps: list[Resolved] = field(default_factory=list)


class Resolver:
    """Decides for each step of a batch whether it is cached, asked, held or skipped."""

    def __init__(
        self, lookup: Lookup, *, space_of: SpaceOf, rules: Rules | None = None, previous: Previous | None = None
    ) -> None:
        self._lookup = lookup
        self._space_of = space_of
        self._rules = rules or Rules()
        self._previous = previous

    def batch(self, cells: Iterable[PlannedCell]) -> list[Chain]:
        """The wanted chains of these cells, resolved; candidates of one cell stand together."""
        chains = [chain for cell in cells for chain in self._chains(cell)]
        self._resolve(chains)
        return chains

    def follow(self, cell: PlannedCell, candidate: int, depth: int, last: int, picture: Digest) -> Chain:
        """The rest of a chain, from *depth* to *last*, now that its parent's picture is there."""
        chain = Chain(
            cell=cell,
            candidate=candidate,
            asked=cell.asked(),
            recipes=cell.plan.recipes_of(cell.values),
            first=depth,
            last=last,
            picture=picture,
        )
        self._resolve([chain])
        return chain

    def _chains(self, cell: PlannedCell) -> list[Chain]:
        asked = cell.asked()
        recipes = cell.plan.recipes_of(cell.values)
        deepest = len(asked) - 1
        chains = [
            Chain(cell=cell, candidate=candidate, asked=asked, recipes=recipes, last=deepest)
            for candidate in cell.plan.candidates
        ]
        if not self._rules.only:
            return chains
        for chain in chains:
            chain.last = self._last_wanted(chain)
        return [chain for chain in chains if chain.last >= 0]

    def _last_wanted(self, chain: Chain) -> int:
        """The deepest wanted depth; those before it come along, since an edit needs its parents. -1: none."""
        for depth in range(chain.last, -1, -1):
            if matches(chain.cell.asset(chain.candidate, depth), self._rules.only):
                return depth
        return -1

    def _resolve(self, chains: Sequence[Chain]) -> None:
        while chains:
            self._level(chains)
            chains = [chain for chain in chains if chain.steps[-1].depth < chain.last]

    def _level(self, chains: Sequence[Chain]) -> None:
        """One more depth of each chain: name it, look it up, judge it."""
        asked: dict[str, list[StepKey]] = {}
        steps = [_named(chain) for chain in chains]
        for chain, step in zip(chains, steps, strict=True):
            chain.steps.append(step)
            if step.final and step.key is not None:
                asked.setdefault(step.recipe.provider, []).append(step.key)
        for provider, keys in asked.items():
            found = self._lookup(self._space_of(provider), keys)
            if found:
                self._judge([step for step in steps if step.final and step.recipe.provider == provider], found)
        if self._previous is not None:
            self._explain([step for step in steps if step.verdict in _UNEXPLAINED], self._previous)

    def _judge(self, steps: Sequence[Resolved], found: Mapping[StepKey, Slot]) -> None:
        rules = self._rules
        for step in steps:
            slot = found.get(step.key) if step.key is not None else None
            if slot is not None:
                again = bool(rules.again) and matches(step.asset, rules.again)
                step.slot = slot
                step.verdict = judge(slot, again=again, retry_refused=rules.retry_refused)

    def _explain(self, steps: Sequence[Resolved], previous: Previous) -> None:
        """Says of steps the ledger has nothing of what changed since it last had their assets."""
        named = {step.asset: step for step in steps}
        for name, old in previous(list(named)).items() if named else ():
            step = named[name]
            words = changed_words(differences(old, step.parts().as_json(), chained=step.depth > 0))
            if words:
                step.verdict = replace(step.verdict, why=words)


def _named(chain: Chain) -> Resolved:
    """The next depth of a chain with its key, or its plan key, or with what keeps it from having one."""
    depth = chain.first + len(chain.steps)
    asked, recipe = chain.asked[depth], chain.recipes[depth]
    key: StepKey | None = None
    picture: Digest | None = None
    verdict, final = NEW, True
    if asked.problem:
        verdict, final = unreadable(asked.problem), False
    elif depth == 0:
        key = recipe.keys.key(asked.prompt, asked.given.key_inputs, chain.candidate)
    else:
        picture, verdict, final = _after(chain, depth)
        if picture is not None:
            key = recipe.keys.key(asked.prompt, (("image", picture), *asked.given.key_inputs), chain.candidate)
    return Resolved(
        cell=chain.cell,
        candidate=chain.candidate,
        depth=depth,
        asked=asked,
        recipe=recipe,
        verdict=verdict,
        key=key,
        final=final,
        parent_picture=picture,
    )


def _after(chain: Chain, depth: int) -> tuple[Digest | None, Verdict, bool]:
    """What stands for the parent's picture, what an edit of such a parent is, and whether its key is final."""
    if not chain.steps:
        return chain.picture, NEW, True
    parent = chain.steps[-1]
    if parent.state is State.DONE and parent.slot is not None and parent.slot.image is not None:
        return parent.slot.image.digest, NEW, True
    planned = planned_digest(parent.key) if parent.key is not None else None
    if parent.asks:
        is_new = parent.verdict is NEW or parent.verdict is NEW_EDIT
        return planned, NEW_EDIT if is_new else PARENT_CHANGED, False
    return planned, orphaned(chain.cell.asset(chain.candidate, depth - 1), parent.state), False
