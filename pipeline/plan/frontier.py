"""Which steps may start: parents before children, longest remaining chain first, then the manifest's order.

    frontier = Frontier(plan, ledger.slots, space_of=space_of, report=listener)
    work = frontier.next("clauddy")              # None: nothing may start at this moment
    frontier.finished(work, [StepResult(state=State.DONE, image=image)])
    frontier.close()                             # whatever was not tried is reported as planned

It waits for nothing and looks at no clock. Cells are pulled from the plan as they are needed, in batches that are
looked up and registered at one stroke, so that one key is never asked twice; a window per lane bounds what is open.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from pipeline.domain.digest import Digest
from pipeline.domain.record import Reason, Space, State
from pipeline.domain.step import StepKey
from pipeline.plan.lane import Lane, OpenStep
from pipeline.plan.making import Plan
from pipeline.plan.resolve import BATCH, Closing
from pipeline.plan.resolved import Resolved
from pipeline.plan.resolver import Lookup, Resolver, Rules, SpaceOf
from pipeline.plan.verdict import orphaned
from pipeline.plan.work import Settled, StepResult, Work, as_ended, as_found

WINDOW = 4096
"""Chains open per lane: far more than any provider works on at once, a few megabytes."""

SPILL = 4
"""Windows of chains that may wait in another lane before the lane that feeds it is held back."""

EMPTY_ANSWERS = 3
"""Answers in a row without a picture for a step before it is given up."""

Report = Callable[[Settled], None]
"""Is told the end of every asset, once; must not raise and must not wait."""


class Frontier:
    """The moving edge of a plan in a run."""

    def __init__(
        self,
        plan: Plan,
        lookup: Lookup,
        *,
        space_of: SpaceOf,
        report: Report,
        rules: Rules | None = None,
        limit: int | None = None,
        window: int = WINDOW,
    ) -> None:
        """report: told every asset's end. rules, limit: as `resolve` takes them. window: open chains per lane."""
        self._lookup = lookup
        self._space_of = space_of
        self._report = report
        self._window = window
        self._resolver = Resolver(lookup, space_of=space_of, rules=rules)
        self._closing = Closing(space_of, limit=limit)
        self._following = Closing(space_of)
        self._lanes = {name: Lane(name, plan.cells(name)) for name in plan.lanes}
        self._feeds = _feeds(plan)
        self._open: dict[tuple[Space, StepKey], OpenStep] = {}
        self._working: dict[int, list[OpenStep]] = {}
        self._order = 0
        self._works = 0

    @property
    def lanes(self) -> tuple[str, ...]:
        """The providers that may have work."""
        return tuple(self._lanes)

    def next(self, lane: str) -> Work | None:
        """The best work that may start now in this lane; None when nothing may.

        Looks at as many cells as it takes to find one, also of lanes that feed this one, since a parent may be cached;
        a plan that is all cached is walked to its end.
        """
        mine = self._lanes[lane]
        for name in (lane, *self._feeds[lane]):
            while (name == lane or mine.is_idle) and self.pull(name):
                pass
        steps = mine.pop()
        if steps is None:
            return None
        self._works += 1
        self._working[self._works] = steps
        first = steps[0].entry
        return Work(
            number=self._works,
            lane=lane,
            steps=tuple(step.entry.ready() for step in steps),
            renew=any(step.entry.verdict.renew for step in steps),
            quote=first.price(len(steps)),
        )

    def pull(self, lane: str) -> bool:
        """Looks at one more batch of cells where the lane wants it; False when it wants none. For callers who want to
        breathe between batches; `next` pulls by itself."""
        mine, room = self._lanes[lane], self._room(lane)
        if room <= 0 or not mine.wants_more():
            return False
        self._take(mine, room)
        return True

    def look_ahead(self, lane: str, cells: int) -> bool:
        """Looks at a few cells before they are wanted, so that what is there already is told at once and how much is
        left to ask is known. False when the window is full, every cell was looked at, or a limit is still to be shared
        with lanes that may go on longer than this one."""
        mine, room = self._lanes[lane], self._room(lane)
        if room <= 0 or mine.exhausted or self._closing.is_rationed:
            return False
        self._take(mine, room, cells)
        return True

    def finished(self, work: Work, outcomes: Sequence[StepResult | None]) -> None:
        """Takes back how each step of a work ended, in order; None: the answer did not bring it, it is asked again.

        Frees children, also those of other assets that ask the same; reports dependents of what failed as skipped.
        Raises KeyError for a work that is not out, ValueError when there are not as many outcomes as steps.
        """
        answers = list(zip(self._working[work.number], outcomes, strict=True))
        del self._working[work.number]
        missing: list[OpenStep] = []
        for step, outcome in answers:
            step.empty_answers = step.empty_answers + 1 if outcome is None else 0
            if outcome is not None:
                self._end(step, outcome)
            elif step.empty_answers >= EMPTY_ANSWERS:
                self._end(step, StepResult(state=State.FAILED, reason=Reason.EXHAUSTED, message="never came"))
            else:
                missing.append(step)
        if missing:
            self._make_ready(missing)

    def is_done(self, lane: str) -> bool:
        """Whether this lane can never have more to do: nothing is open in it nor in a lane that feeds it."""
        return all(self._lanes[name].is_quiet for name in (lane, *self._feeds[lane]))

    def stop(self, lane: str) -> None:
        """Nothing more starts in this lane. What was ready ends as planned; steps of other lanes that waited for one of
        its requests are asked there instead."""
        mine = self._lanes[lane]
        mine.stopped = True
        while steps := mine.pop():
            for step in steps:
                self._end(step, StepResult(state=State.PLANNED))

    def close(self) -> None:
        """Ends the frontier: every asset that has no end yet gets one.

        What was handed out and never came back is what the ledger says of it, else planned; the cells nobody looked at
        are walked, so that what the ledger has is reported as cached and the rest as planned.
        """
        for lane in self._lanes.values():
            lane.stopped = True
        for name in self._lanes:
            self.stop(name)
        for steps in list(self._working.values()):
            for step in steps:
                self._end(step, self._as_recorded(step))
        self._working.clear()
        for lane in self._lanes.values():
            while not lane.exhausted:
                self._take(lane, BATCH)

    def _room(self, lane: str) -> int:
        """Chains that a lane may open besides; none where it is stopped or held back."""
        mine = self._lanes[lane]
        return 0 if mine.stopped or self._is_clogged(lane) else self._window - mine.open

    def _is_clogged(self, lane: str) -> bool:
        """Whether a lane that takes over this one's chains has more waiting than memory should hold."""
        bound = self._window * SPILL
        return any(
            lane in feeders and other.open >= bound and not other.stopped
            for other, feeders in ((self._lanes[name], feeders) for name, feeders in self._feeds.items())
        )

    def _take(self, lane: Lane, chains: int, cells: int = BATCH) -> None:
        """Resolves a batch and registers all of it at once: nothing can be finished in between, so that no key is
        taken for new that another step has asked for."""
        resolved = self._closing.close(self._resolver.batch(lane.take(chains, cells)))
        for _, entries in groupby(resolved, key=lambda entry: id(entry.cell)):
            chain = list(entries)
            if len(chain) == 1 and not chain[0].asks:
                self._report(as_found(chain[0]))
            else:
                self._open_cell(chain)

    def _open_cell(self, entries: Sequence[Resolved]) -> None:
        """Opens the chains of one cell; base pictures that share a request become ready together."""
        ready: list[OpenStep] = []
        for _, chain in groupby(entries, key=lambda entry: entry.candidate):
            self._order += 1
            step = self._advance(tuple(chain), self._order)
            if step is not None:
                ready.append(step)
        per_request = entries[0].cell.plan.shot.per_request
        bases = [step for step in ready if step.entry.depth == 0]
        for start in range(0, len(bases), per_request):
            self._make_ready(bases[start : start + per_request])
        for step in ready:
            if step.entry.depth:
                self._make_ready([step])

    def _advance(self, chain: Sequence[Resolved], order: int) -> OpenStep | None:
        """Reports what needs no asking and opens the first step that does; gives it when it leads its key."""
        for at, entry in enumerate(chain):
            if entry.asks and entry.key is not None:
                return self._register(entry, entry.key, tuple(chain[at + 1 :]), order)
            self._report(as_found(entry))
        return None

    def _register(self, entry: Resolved, key: StepKey, tail: tuple[Resolved, ...], order: int) -> OpenStep | None:
        lane = entry.recipe.provider
        at = (self._space_of(lane), key)
        step = OpenStep(entry=entry, tail=tail, order=order, lane=lane, at=at)
        self._lanes[lane].open += 1
        return step if self._leads(step) else None

    def _leads(self, step: OpenStep) -> bool:
        """Whether this step is the one that asks for its key; else it follows the one that does."""
        leader = self._open.setdefault(step.at, step)
        if leader is step:
            return True
        leader.followers.append(step)
        return False

    def _make_ready(self, steps: list[OpenStep]) -> None:
        lane = self._lanes[steps[0].lane]
        if not lane.stopped:
            lane.push(steps)
            return
        for step in steps:
            self._end(step, StepResult(state=State.PLANNED))

    def _end(self, step: OpenStep, result: StepResult) -> None:
        """One key ended: its asset, its followers, and what waited for them."""
        del self._open[step.at]
        followers = step.followers
        if result.state is State.PLANNED:
            followers = self._promoted(followers)
        self._settle(step, result, shared=False)
        for follower in followers:
            self._settle(follower, result, shared=True)

    def _promoted(self, followers: Sequence[OpenStep]) -> list[OpenStep]:
        """Lets a follower in a lane that still works ask in place of one that will not; gives those that end."""
        heir = next((step for step in followers if not self._lanes[step.lane].stopped), None)
        if heir is None:
            return list(followers)
        heir.followers = [step for step in followers if step is not heir]
        self._open[heir.at] = heir
        self._lanes[heir.lane].push([heir])
        return []

    def _settle(self, step: OpenStep, result: StepResult, *, shared: bool) -> None:
        self._lanes[step.lane].open -= 1
        self._report(as_ended(step.entry, result, shared=shared))
        if not step.tail:
            return
        if result.state is State.DONE and result.image is not None:
            self._follow(step, result.image.digest)
        else:
            self._abandon(step.tail, step.entry, result.state)

    def _follow(self, step: OpenStep, picture: Digest) -> None:
        """The rest of a chain, now that its parent is there: looked up, since an earlier night may have made it."""
        rest = self._resolver.follow(step.entry, step.tail[-1].depth, picture)
        for now, before in zip(rest, step.tail, strict=True):
            if now.asks and not before.asks:
                now.verdict = before.verdict
        ready = self._advance(self._following.close(rest), step.order)
        if ready is not None:
            self._make_ready([ready])

    def _abandon(self, tail: Iterable[Resolved], parent: Resolved, state: State) -> None:
        """What follows a step that brought no parent: skipped, or planned where the parent was only not tried."""
        name = parent.asset
        for entry in tail:
            if entry.asks and state is not State.PLANNED:
                entry.verdict = orphaned(name, state)
            self._report(as_found(entry))

    def _as_recorded(self, step: OpenStep) -> StepResult:
        """What the ledger says of a step that never came back; planned where it says no more than before."""
        # The space of now: since the step was taken, an answer may have taught where its host's pictures belong.
        key = step.at[1]
        slot = self._lookup(self._space_of(step.lane), (key,)).get(key)
        before = step.entry.slot
        if slot is None or (before is not None and slot.attempt_id == before.attempt_id):
            return StepResult(state=State.PLANNED)
        return StepResult(state=slot.state, reason=slot.reason, image=slot.image, usd=slot.usd, warnings=slot.warnings)


def _feeds(plan: Plan) -> dict[str, tuple[str, ...]]:
    """For each provider those whose pictures its edits may come after."""
    feeds: dict[str, set[str]] = {name: set() for name in plan.lanes}
    for shot in plan.shots:
        for recipes in shot.recipes.values():
            providers = [recipe.provider for recipe in recipes]
            for depth, provider in enumerate(providers):
                feeds[provider].update(providers[:depth])
    return {name: tuple(sorted(before - {name})) for name, before in feeds.items()}
