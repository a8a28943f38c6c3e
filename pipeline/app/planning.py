"""`plan`: what a run would ask, what the ledger already has, why, and what it costs; buys nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring
from typing import Final, Self

from pipeline.app.cautions import refuse_broken
from pipeline.app.desk import ReadingDesk, guard_faults, input_names, open_reading
from pipeline.app.looking import Quota, quotas_of
from pipeline.app.naming import refuse_unmatched
from pipeline.app.options import Choice
from pipeline.app.timing import month_of, seconds_for, seconds_until
from pipeline.app.world import World
from pipeline.domain.digest import Json
from pipeline.domain.money import FREE, MicroUsd, to_usd
from pipeline.domain.record import Space, State
from pipeline.domain.step import AssetName, StepKey
from pipeline.ledger import KnownKeys
from pipeline.plan import Difference, Known, Plan, Recipe, Resolved, differences, resolve

COMPARED: Final = 50_000
"""Assets in the ledger up to which a plan looks for names that are no longer in the manifest, or were others."""

MANY: Final = 50_000
"""Assets from which a plan reads which keys the ledger has at one stroke, instead of asking for each."""

SPREAD: Final = 4
"""Assets in the ledger for each of the plan's up to which that is cheaper."""


@dataclass(slots=True, kw_only=True)
class Sums:
    """What a shot, or the whole plan, comes to. expected, worst in micro-USD; unpriced: requests without a price.

    states: assets by what the plan says of them (`Verdict.kind`). reasons: of what is asked again. held: what waits for
    a person, by the asset's state.
    """

    requests: int = 0
    expected: MicroUsd = FREE
    worst: MicroUsd = FREE
    unpriced: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    held: Counter[State] = field(default_factory=Counter)

    @property
    def assets(self) -> int:
        """How many there are."""
        return self.states.total()

    def add(self, step: Resolved) -> None:
        """Takes one step into account."""
        verdict = step.verdict
        kind = verdict.kind
        self.states[kind] += 1
        if not verdict.asks:
            if kind == "held":
                self.held[verdict.state] += 1
            return
        if kind != "new":
            self.reasons[verdict.why] += 1
        self.requests += not step.behind
        quote = step.quote
        if quote is None:
            self.unpriced += 1
        else:
            self.expected = MicroUsd(self.expected + quote.expected)
            self.worst = MicroUsd(self.worst + quote.worst)

    def join(self, other: "Sums") -> None:
        """Takes the sums of another shot into account."""
        self.requests += other.requests
        self.expected = MicroUsd(self.expected + other.expected)
        self.worst = MicroUsd(self.worst + other.worst)
        self.unpriced += other.unpriced
        self.states.update(other.states)
        self.reasons.update(other.reasons)
        self.held.update(other.held)


@dataclass(slots=True, kw_only=True)
class PlanReport:
    """What a plan comes to, per shot and, once it was walked, in total.

    seconds: at the limits and latencies known. gone: assets of earlier runs that the manifest does not name any more.
    feeds: what the guards of its feeds would stop a run for. month: what has counted against ``budget.per_month``
    (bound), both None without one. quotas: of the day. left: seconds to the deadline; None without one.
    """

    manifest: str
    shots: dict[str, Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    budget: MicroUsd | None = None
    gone: tuple[AssetName, ...] = ()
    feeds: tuple[str, ...] = ()
    month: MicroUsd | None = None
    bound: MicroUsd | None = None
    quotas: tuple[Quota, ...] = ()
    left: float | None = None

    def sums_json(self) -> dict[str, Json]:
        """What follows the assets in the object of ``pipeline plan --json``."""
        return {
            "requests": self.total.requests,
            "usd": {"expected": to_usd(self.total.expected), "worst": to_usd(self.total.worst)},
            "seconds": round(self.seconds, 1),
        }


def asset_text(step: Resolved) -> str:
    """One entry of ``assets`` as JSON: ``{"asset", "key", "state", "why", "usd", "path"}``; there may be a million."""
    key = f'"{step.key}"' if step.key is not None else "null"
    quote = step.quote
    usd = to_usd(quote.expected) if quote is not None else 0.0
    return (
        f'{{"asset": {encode_basestring(step.asset)}, "key": {key}, "state": "{step.state.value}", '
        f'"why": {encode_basestring(step.why)}, "usd": {usd!r}, '
        f'"path": {encode_basestring(step.cell.place(step.candidate, step.depth))}}}'
    )


class Planning:
    """A plan walked once: `steps()` gives every step in the manifest's order and fills `report` on the way."""

    def __init__(self, choice: Choice, world: World) -> None:
        self._choice = choice
        self._world = world
        with ExitStack() as stack:
            self.desk: ReadingDesk = open_reading(choice, world, stack)
            manifest = self.desk.manifest
            refuse_unmatched(self.desk.plan, choice)
            if choice.strict:
                refuse_broken(self.desk.plan, manifest)
            totals = self.desk.plan.totals()
            self._wanted = sum(count for _, count in totals)
            self.report = self._report([name for name, _ in totals])
            self._recorded = sum(tally.assets for tally in self.desk.ledger.tallies(manifest.name))
            self._before = self._names_before()
            self._stack = stack.pop_all()
        self._by_key = {key: name for name, key in self._before.items() if key is not None}
        self._seen: set[AssetName] = set()

    def _report(self, shots: Sequence[str]) -> PlanReport:
        manifest, ledger, now = self.desk.manifest, self.desk.ledger, self._world.clock.now()
        guarded = [source for source in manifest.sources.values() if source.guard is not None]
        bound = manifest.budget.per_month
        return PlanReport(
            manifest=manifest.name,
            shots={name: Sums() for name in shots},
            warnings=tuple(str(warning) for warning in manifest.warnings),
            budget=self._choice.budget if self._choice.budget is not None else manifest.budget.per_run,
            feeds=tuple(fault for source in guarded for fault in guard_faults(source, ledger, manifest.name)),
            month=ledger.money_since(month_of(now)).counted if bound is not None else None,
            bound=bound,
            quotas=tuple(quotas_of(manifest, ledger, self._world)),
            left=seconds_until(manifest.run, now),
        )

    def _names_before(self) -> dict[AssetName, StepKey | None]:
        """Assets as earlier runs named them, with their keys; empty where names are not compared: a part of the
        manifest says nothing of the rest, and of very many no one wants a list."""
        ledger, name = self.desk.ledger, self.desk.manifest.name
        if self._choice.only or self._recorded > COMPARED:
            return {}
        spaces = {self.desk.space_of(lane) for lane in self.desk.plan.lanes}
        return {asset: key for space in sorted(spaces) for asset, key in ledger.asset_keys(name, space).items()}

    def _known_keys(self) -> Known | None:
        """Which keys the ledger has, where the plan is so large that reading all of them is cheaper than asking."""
        ledger = self.desk.ledger
        if self._choice.only or self._wanted < MANY:
            return None
        if sum(tally.assets for tally in ledger.tallies()) > SPREAD * self._wanted:
            return None
        known: dict[Space, KnownKeys] = {}

        def tell(space: Space, keys: Sequence[StepKey]) -> Sequence[bool | None]:
            if space not in known:
                known[space] = ledger.known_keys(space)
            return known[space](keys)

        return tell

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.desk.plan

    def changes(self, step: Resolved) -> tuple[Difference, ...]:
        """What changed between the parts a step's present picture was asked with and those it has now. Blocks."""
        asset = step.asset
        before = self.desk.previous([asset]).get(asset)
        if not before or step.key is None:
            return ()
        found = differences(before, step.parts().as_json(), chained=step.depth > 0)
        names = input_names(self.desk, step, found)
        return tuple(
            replace(change, old=names.get(str(change.old), change.old), new=names.get(str(change.new), change.new))
            for change in found
        )

    def earlier_name(self, step: Resolved) -> AssetName | None:
        """The name an earlier run gave the picture of a step that is there; None for what kept its name."""
        if not self._before or step.asset in self._before or step.key is None or step.state is not State.DONE:
            return None
        return self._by_key.get(step.key)

    def steps(self) -> Iterator[Resolved]:
        """Every step; memory for one batch of cells."""
        choice, desk = self._choice, self.desk
        found = resolve(
            desk.plan.cells_in_order(),
            desk.ledger.slots,
            space_of=desk.space_of,
            again=choice.again,
            retry_refused=choice.retry_refused,
            only=choice.only,
            limit=choice.limit,
            previous=desk.previous if self._recorded else None,
            known=self._known_keys(),
        )
        requests: Counter[Recipe] = Counter()
        shots, before, seen = self.report.shots, self._before, self._seen
        for step in found:
            shots[step.cell.shot].add(step)
            if step.leads:
                requests[step.recipe] += 1
            if before:
                seen.add(step.asset)
            yield step
        for sums in shots.values():
            self.report.total.join(sums)
        self.report.seconds = seconds_for(self.desk.manifest, self.desk.ledger, _by_model(requests))
        self.report.gone = tuple(sorted(before.keys() - seen))


def _by_model(requests: Counter[Recipe]) -> Counter[tuple[str, str]]:
    """Requests by provider and model."""
    by_model: Counter[tuple[str, str]] = Counter()
    for recipe, count in requests.items():
        by_model[recipe.provider, recipe.model] += count
    return by_model
