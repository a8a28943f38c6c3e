"""What passes between a frontier and whoever does its work: a request to be, how its steps ended, an asset's end."""

from dataclasses import dataclass
from typing import NamedTuple

from pipeline.domain.capability import Quote
from pipeline.domain.image import Image
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import Reason, State
from pipeline.domain.request import ReadyStep
from pipeline.domain.step import AssetName, StepKey
from pipeline.plan.resolved import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One request to be: candidates of one cell's base picture, packed up to the shot's ``per_request``, or one step.

    number: unique in its frontier. lane: the provider. renew: asked anew on purpose although the ledger has something
    for a key. quote: price of the whole request in micro-USD; None when there is none.
    """

    number: int
    lane: str
    steps: tuple[ReadyStep, ...]
    renew: bool
    quote: Quote | None

    @property
    def assets(self) -> tuple[AssetName, ...]:
        """What it is to bring."""
        return tuple(ready.step.asset for ready in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step of a work ended.

    state: ``done`` (with its image), ``failed``, ``refused``, ``unknown``, or ``planned`` when it was not tried because
    the run stops. image: also of a failed one, where bytes are kept (``opaque``). usd: what it cost, in micro-USD.
    """

    state: State
    reason: str = ""
    image: Image | None = None
    usd: MicroUsd = FREE
    warnings: tuple[str, ...] = ()
    message: str = ""


class Settled(NamedTuple):
    """An asset reached its end in this run; every asset of a plan does, exactly once.

    key: None where it has none (a broken input, or a parent that is not there). cached: nothing was asked for it, the
    ledger had it, or another asset of this run asked the same. message: why, in words.
    """

    entry: Resolved
    state: State
    reason: str
    key: StepKey | None
    cached: bool
    image: Image | None
    usd: MicroUsd
    warnings: tuple[str, ...]
    message: str

    @property
    def asset(self) -> AssetName:
        """Its name."""
        return self.entry.asset


def as_found(entry: Resolved) -> Settled:
    """The end of a step that nothing is asked for: what the ledger has, or why it is held or cannot be asked."""
    slot = entry.slot
    return Settled(
        entry=entry,
        state=entry.state,
        reason=entry.reason,
        key=entry.key if entry.final else None,
        cached=entry.state is State.DONE,
        image=slot.image if slot else None,
        usd=slot.usd if slot else FREE,
        warnings=(entry.why,) if entry.reason == Reason.INPUT else slot.warnings if slot else (),
        message="" if entry.state is State.DONE else entry.why,
    )


def as_ended(entry: Resolved, result: StepResult, *, shared: bool) -> Settled:
    """The end of a step that was asked for. shared: another asset's request brought it.

    A step that was to be asked anew and was not tried still has the picture that the ledger has of it.
    """
    kept = entry.slot if result.state is State.PLANNED else None
    return Settled(
        entry=entry,
        state=result.state,
        reason=result.reason,
        key=entry.key,
        cached=shared and result.state is State.DONE,
        image=kept.image if kept else result.image,
        usd=kept.usd if kept else result.usd,
        warnings=result.warnings,
        message=result.message,
    )
