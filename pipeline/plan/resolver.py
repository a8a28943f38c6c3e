"""Plan cells against the ledger, a batch at a time, level by level along the chains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pipeline.domain.digest import Digest, Json
from pipeline.domain.record import Slot, Space, State
from pipeline.domain.step import AssetName, StepKey
from pipeline.plan.asking import Asked
from pipeline.plan.cell import PlannedCell
from pipeline.plan.keys import planned_digest
from pipeline.plan.recipe import Recipe
from pipeline.plan.resolved import parts_of
from pipeline.plan.verdict import NEW, NEW_EDIT, PARENT_CHANGED, Verdict, judge, orphaned, unreadable
from pipeline.plan.why import changed_words, differences

Lookup = Callable[[Space, Sequence[StepKey]], Mapping[StepKey, Slot]]
"""What the ledger has of some keys in one space; keys it has nothing of are left out."""

Previous = Callable[[Sequence[AssetName]], Mapping[AssetName, Mapping[str, Json]]]
"""The canonical key parts these assets had when they were last recorded; assets without any are left out."""

_UNEXPLAINED = (NEW, NEW_EDIT, PARENT_CHANGED)

SpaceOf = Callable[[str], Space]
"""The key space of a provider, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a person said on the command line: patterns of names, and whether refused ones are asked again."""

    again: tuple[str, ...] = ()
    retry_refused: bool = False
    only: tuple[str, ...] = ()


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether an asset's name matches any shell pattern; ``*`` also crosses ``/``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is known of one depth of a chain while its batch is resolved."""

    verdict: Verdict
    key: StepKey | None
    final: bool
    parent_picture: Digest | None
    slot: Slot | None


@dataclass(slots=True, kw_only=True)
class Draft:
    """The chain of one candidate of a cell while it is resolved. first: the depth that `entries` begins with;
    last: the deepest that is wanted. picture: of the parent of `first`."""

    cell: PlannedCell
    candidate: int
    asked: tuple[Asked, ...]
    recipes: tuple[Recipe, ...]
    first: int
    last: int
    picture: Digest | None
    entries: list[Entry]

    def asset(self, depth: int) -> AssetName:
        """The name at that depth."""
        return self.cell.asset(self.candidate, depth)


class Resolver:
    """Decides for each step of a batch whether it is cached, asked, held or skipped."""

    def __init__(
        self, lookup: Lookup, *, space_of: SpaceOf, rules: Rules | None = None, previous: Previous | None = None
    ) -> None:
        self._lookup = lookup
        self._space_of = space_of
        self._rules = rules or Rules()
        self._previous = previous

    def batch(self, cells: Iterable[PlannedCell]) -> list[Draft]:
        """The wanted chains of these cells, resolved; candidates of one cell stand together."""
        drafts = [draft for cell in cells for draft in self._drafts(cell)]
        self._resolve(drafts)
        return drafts

    def follow(self, cell: PlannedCell, candidate: int, depth: int, last: int, picture: Digest) -> Draft:
        """The rest of a chain, from *depth* on, now that its parent's picture is there."""
        recipes = cell.plan.recipes_of(cell.values)
        draft = Draft(
            cell=cell,
            candidate=candidate,
            asked=cell.asked(),
            recipes=recipes,
            first=depth,
            last=last,
            picture=picture,
            entries=[],
        )
        self._resolve([draft])
        return draft

    def _drafts(self, cell: PlannedCell) -> list[Draft]:
        asked = cell.asked()
        recipes = cell.plan.recipes_of(cell.values)
        deepest = len(asked) - 1
        drafts = []
        for candidate in range(1, cell.plan.shot.n + 1):
            last = self._last_wanted(cell, candidate, deepest) if self._rules.only else deepest
            if last >= 0:
                drafts.append(
                    Draft(
                        cell=cell,
                        candidate=candidate,
                        asked=asked,
                        recipes=recipes,
                        first=0,
                        last=last,
                        picture=None,
                        entries=[],
                    )
                )
        return drafts

    def _last_wanted(self, cell: PlannedCell, candidate: int, deepest: int) -> int:
        """The deepest wanted depth; those before it come along, since an edit needs its parents. -1: none."""
        for depth in range(deepest, -1, -1):
            if matches(cell.asset(candidate, depth), self._rules.only):
                return depth
        return -1

    def _resolve(self, drafts: Sequence[Draft]) -> None:
        open_drafts = drafts
        while open_drafts:
            self._level(open_drafts)
            open_drafts = [draft for draft in open_drafts if draft.first + len(draft.entries) <= draft.last]

    def _level(self, drafts: Sequence[Draft]) -> None:
        """One more depth of each chain: name it, look it up, judge it."""
        asked: dict[str, list[StepKey]] = {}
        for draft in drafts:
            entry = _named(draft)
            draft.entries.append(entry)
            if entry.final and entry.key is not None:
                asked.setdefault(draft.recipes[draft.first + len(draft.entries) - 1].provider, []).append(entry.key)
        found = {provider: self._lookup(self._space_of(provider), keys) for provider, keys in asked.items()}
        unknown = []
        for draft in drafts:
            entry = draft.entries[-1]
            if entry.final:
                self._judge(draft, entry, found)
            if entry.verdict in _UNEXPLAINED:
                unknown.append(draft)
        if self._previous is not None and unknown:
            self._explain(unknown, self._previous)

    def _judge(self, draft: Draft, entry: Entry, found: Mapping[str, Mapping[StepKey, Slot]]) -> None:
        depth = draft.first + len(draft.entries) - 1
        assert entry.key is not None
        entry.slot = found[draft.recipes[depth].provider].get(entry.key)
        if entry.slot is not None:
            again = bool(self._rules.again) and matches(draft.asset(depth), self._rules.again)
            entry.verdict = judge(entry.slot, again=again, retry_refused=self._rules.retry_refused)

    def _explain(self, drafts: Sequence[Draft], previous: Previous) -> None:
        """Says of steps the ledger has nothing of what changed since it last had their assets."""
        names = {draft.asset(draft.first + len(draft.entries) - 1): draft for draft in drafts}
        for name, old in previous(list(names)).items():
            draft = names[name]
            entry = draft.entries[-1]
            depth = draft.first + len(draft.entries) - 1
            new = parts_of(draft.recipes[depth], draft.asked[depth], draft.candidate, entry.parent_picture).as_json()
            words = changed_words(differences(old, new, chained=depth > 0))
            if words:
                entry.verdict = replace(entry.verdict, why=words)


def _named(draft: Draft) -> Entry:
    """The next depth of a chain with its key, or its plan key, or with what keeps it from having one."""
    depth = draft.first + len(draft.entries)
    asked, recipe = draft.asked[depth], draft.recipes[depth]
    if asked.problem:
        return Entry(verdict=unreadable(asked.problem), key=None, final=False, parent_picture=None, slot=None)
    if depth == 0:
        key = recipe.keys.key(asked.prompt, asked.key_inputs, draft.candidate)
        return Entry(verdict=NEW, key=key, final=True, parent_picture=None, slot=None)
    picture, verdict, final = _after(draft, depth)
    if picture is None:
        return Entry(verdict=verdict, key=None, final=False, parent_picture=None, slot=None)
    key = recipe.keys.key(asked.prompt, (("image", picture), *asked.key_inputs), draft.candidate)
    return Entry(verdict=verdict, key=key, final=final, parent_picture=picture, slot=None)


def _after(draft: Draft, depth: int) -> tuple[Digest | None, Verdict, bool]:
    """What stands for the parent's picture, what an edit of such a parent is, and whether its key is final."""
    if not draft.entries:
        return draft.picture, NEW, True
    parent = draft.entries[-1]
    if parent.verdict.state is State.DONE and parent.slot is not None and parent.slot.image is not None:
        return parent.slot.image.digest, NEW, True
    planned = planned_digest(parent.key) if parent.key is not None else None
    if parent.verdict.asks:
        is_new = parent.verdict is NEW or parent.verdict is NEW_EDIT
        return planned, NEW_EDIT if is_new else PARENT_CHANGED, False
    return planned, orphaned(draft.asset(depth - 1), parent.verdict.state), False
