"""`plan`: what a run would ask, what the ledger already has, why, and what it costs; buys nothing."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

from pipeline.app.cautions import refuse_broken
from pipeline.app.desk import ReadingDesk, open_reading
from pipeline.app.naming import refuse_unmatched
from pipeline.app.options import Choice
from pipeline.app.timing import seconds_for
from pipeline.app.world import World
from pipeline.domain.digest import Json
from pipeline.domain.money import FREE, MicroUsd, to_usd
from pipeline.domain.record import State
from pipeline.plan import Difference, Plan, Resolved, differences, resolve


@dataclass(slots=True, kw_only=True)
class Sums:
    """What a shot, or the whole plan, comes to. expected, worst in micro-USD; unpriced: requests without a price.

    states: assets by what the plan says of them: ``cached``, ``new``, ``stale`` (asked because something changed),
    ``again`` (asked although nothing changed), ``held`` (refused, unknown, paid failures), ``failed``, ``skipped``.
    """

    assets: int = 0
    requests: int = 0
    expected: MicroUsd = FREE
    worst: MicroUsd = FREE
    unpriced: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, step: Resolved) -> None:
        """Takes one step into account."""
        self.assets += 1
        kind = kind_of(step)
        self.states[kind] += 1
        if kind not in {"cached", "new"}:
            self.reasons[step.why] += 1
        if not step.asks or step.twin:
            return
        self.requests += step.leads
        quote = step.quote
        if quote is None:
            self.unpriced += 1
        else:
            self.expected = MicroUsd(self.expected + quote.expected)
            self.worst = MicroUsd(self.worst + quote.worst)


def kind_of(step: Resolved) -> str:
    """One word for people."""
    if step.state is State.DONE:
        return "cached"
    if step.asks:
        return "new" if step.why == "new" else "stale" if step.stale else "again"
    if step.twin:
        return "cached"
    if step.state is State.PLANNED:
        return "left"
    if step.state is State.SKIPPED:
        return "skipped"
    return "failed" if step.reason == "input" else "held"


@dataclass(slots=True, kw_only=True)
class PlanReport:
    """What a plan comes to, per shot and in total. seconds: at the limits and latencies known."""

    manifest: str
    shots: dict[str, Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    budget: MicroUsd | None = None

    def as_json(self, assets: list[dict[str, Json]]) -> dict[str, Json]:
        """The object of ``pipeline plan --json``."""
        return {
            "manifest": self.manifest,
            "assets": list(assets),
            "requests": self.total.requests,
            "usd": {"expected": to_usd(self.total.expected), "worst": to_usd(self.total.worst)},
            "seconds": round(self.seconds, 1),
        }


def asset_json(step: Resolved) -> dict[str, Json]:
    """One entry of ``assets``."""
    made = step.step
    return {
        "asset": made.asset,
        "key": step.key,
        "state": step.state.value,
        "why": step.why,
        "usd": to_usd(step.quote.expected) if step.asks and step.quote else 0.0,
        "path": made.path,
    }


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
            self._stack = stack.pop_all()
        self.report = PlanReport(
            manifest=manifest.name,
            shots={name: Sums() for name, _ in self.desk.plan.totals()},
            warnings=tuple(str(warning) for warning in manifest.warnings),
            budget=choice.budget if choice.budget is not None else manifest.budget.per_run,
        )

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
        asset = step.step.asset
        before = self.desk.previous([asset]).get(asset)
        if not before or step.key is None:
            return ()
        return differences(before, step.parts().as_json(), chained=step.depth > 0)

    def steps(self) -> Iterator[Resolved]:
        """Every step; memory for one batch of cells."""
        choice = self._choice
        found = resolve(
            self.desk.plan.cells_in_order(),
            self.desk.ledger.slots,
            space_of=self.desk.space_of,
            again=choice.again,
            retry_refused=choice.retry_refused,
            only=choice.only,
            limit=choice.limit,
            previous=self.desk.previous,
        )
        requests: Counter[tuple[str, str]] = Counter()
        for step in found:
            if step.asks and not step.twin:
                requests[step.recipe.provider, step.recipe.model] += step.leads
            self.report.shots[step.cell.shot].add(step)
            self.report.total.add(step)
            yield step
        self.report.seconds = seconds_for(self.desk.manifest, self.desk.ledger, requests)
