"""One step of a plan with what the ledger says to it."""

from dataclasses import dataclass

from pipeline.domain.capability import Quote
from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Reason, Slot, State
from pipeline.domain.request import ReadyStep
from pipeline.domain.step import AssetName, KeyParts, Role, Step, StepKey
from pipeline.plan.asking import Asked, Given
from pipeline.plan.cell import PlannedCell
from pipeline.plan.recipe import Recipe
from pipeline.plan.verdict import Kind, Verdict


@dataclass(slots=True, kw_only=True, eq=False)
class Resolved:
    """One step of a plan with what the ledger says to it. Written while its batch is resolved, only read afterwards;
    not frozen, since a million of them are made and freezing each would cost more than looking it up.

    prompt, given: what is asked. key: the step's key; while its parent's picture is not there, its plan key (final is
    False); None when it cannot be asked. parent_picture: what stands for the parent's picture in the key. shares: steps
    of its request, candidates that are packed; behind: it is not the first of them.
    """

    cell: PlannedCell
    candidate: int
    depth: int
    prompt: str
    given: Given
    recipe: Recipe
    verdict: Verdict
    key: StepKey | None
    final: bool
    parent_picture: Digest | None = None
    slot: Slot | None = None
    shares: int = 1
    behind: bool = False

    @property
    def state(self) -> State:
        """Where the asset stands before anything is asked."""
        return self.verdict.state

    @property
    def reason(self) -> str:
        """Why it is failed or skipped."""
        return self.verdict.reason

    @property
    def why(self) -> str:
        """In words: ``new``, ``cached``, ``prompt changed``, ``failed before: …``, ``held: …``."""
        return self.verdict.why

    @property
    def kind(self) -> Kind:
        """One word for people."""
        return self.verdict.kind

    @property
    def asks(self) -> bool:
        """Whether a request is to be made for it."""
        return self.verdict.asks

    @property
    def stale(self) -> bool:
        """Whether it is asked because what it had was asked otherwise (`why` says what changed)."""
        return self.verdict.stale

    @property
    def twin(self) -> bool:
        """Whether another asset of this plan asks the same, so that it comes for nothing."""
        return self.verdict.twin

    @property
    def leads(self) -> bool:
        """Whether it is asked and the first step of its request, so that requests can be counted."""
        return self.verdict.asks and not self.behind

    @property
    def quote(self) -> Quote | None:
        """Its part of its request's price in micro-USD, rounded up; None when nothing is asked or no price is known."""
        if not self.verdict.asks:
            return None
        quote, count = self.price(self.shares), self.shares
        if quote is None or count == 1:
            return quote
        return Quote(
            expected=MicroUsd(-(-quote.expected // count)),
            worst=MicroUsd(-(-quote.worst // count)),
            source=quote.source,
            tokens=quote.tokens // count,
        )

    @property
    def asset(self) -> AssetName:
        """Its name."""
        return self.cell.asset(self.candidate, self.depth)

    @property
    def step(self) -> Step:
        """The step; made anew at every call."""
        problem = self.verdict.why if self.verdict.reason == Reason.INPUT else ""
        return self.cell.step(self.candidate, self.depth, Asked(self.prompt, self.given, problem))

    def parts(self) -> KeyParts:
        """The parts of its key; a parent that is not there is named by its plan key."""
        parent: tuple[tuple[Role, Digest], ...] = (("image", self.parent_picture),) if self.parent_picture else ()
        return KeyParts(
            protocol=self.recipe.protocol,
            model=self.recipe.model,
            params=self.recipe.params,
            prompt=self.prompt,
            inputs=parent + self.given.key_inputs,
            candidate=self.candidate,
        )

    def ready(self) -> ReadyStep:
        """The step with its key. Raises ValueError when it has none yet."""
        if self.key is None or not self.final:
            raise ValueError(f"{self.asset}: it has no key yet")
        return ReadyStep(step=self.step, key=self.key, parts=self.parts())

    def price(self, count: int) -> Quote | None:
        """The price of one request for *count* such pictures; the parent's is taken at its expected size."""
        sizes = self.given.sizes
        if self.depth:
            sizes = (self.cell.plan.recipes_of(self.cell.values)[self.depth - 1].size, *sizes)
        return self.recipe.rate.quote(len(self.prompt), sizes, count)
