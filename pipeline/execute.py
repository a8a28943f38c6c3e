"""One work from inputs to kept pictures: prepares what goes along, asks, and says what became of each step.

The provider it is given is already wrapped (retries, limits, budget, record); this room knows no wire and no clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.budget import Purse
from pipeline.domain.capability import Quote
from pipeline.domain.digest import Digest
from pipeline.domain.errors import (
    BadRequest,
    BudgetReached,
    InputFault,
    KeyRefused,
    MachineError,
    ModelMissing,
    NoFunds,
    NotStarted,
    OutcomeUnknown,
    PipelineError,
    ProviderError,
    QuotaGone,
    Refused,
)
from pipeline.domain.image import Image
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import Kept, Reason, Rendered, State
from pipeline.domain.request import ImageRequest, Prepared, ReadyStep, Turn
from pipeline.domain.step import AssetName, Role
from pipeline.manifest.model import ProviderSpec
from pipeline.plan import StepResult, Work
from pipeline.ports import Blocking, Catalogue, Provider


class InputDesk(Protocol):
    """What execution asks of the inputs room."""

    def prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        """A sendable copy of what was hashed. Raises InputFault."""
        ...

    def prepare_picture(self, image: Image, path: Path) -> Prepared:
        """A kept picture as an input, checked against its name. Raises InputFault."""
        ...

    def match(self, images: tuple[Prepared, ...], mask: Prepared) -> tuple[Prepared, ...]:
        """Pictures and mask together, the mask fitting the first. Raises InputFault."""
        ...


class Pictures(Protocol):
    """Where a parent's picture is found."""

    def image(self, digest: Digest) -> Image | None:
        """The facts of a kept picture; None for a stranger."""
        ...

    def path(self, image: Image) -> Path:
        """Where its bytes are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What became of a work: one result per step (None: the answer did not bring it, it is asked again), and the
    error its provider or its inputs ended in.
    """

    results: tuple[StepResult | None, ...]
    error: PipelineError | None = None

    @property
    def failed(self) -> bool:
        """Whether some asset of it is not there although it was asked for."""
        return any(result is not None and result.state in FAILURES for result in self.results)


FAILURES = frozenset({State.FAILED, State.REFUSED, State.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Does works. providers: wrapped, by name in the manifest; specs: what the manifest says of them."""

    providers: Mapping[str, Provider]
    specs: Mapping[str, ProviderSpec]
    catalogue: Catalogue
    desk: InputDesk
    pictures: Pictures
    purse: Purse
    blocking: Blocking
    turns: dict[AssetName, tuple[Turn, ...]] = field(default_factory=dict)

    async def __call__(self, work: Work) -> Executed:
        """Asks for the pictures of a work in one request.

        Never raises for what is wrong with one work; raises MachineError (disk, ledger), since that concerns all.
        """
        try:
            # Only files make it worth a thread.
            has_files = bool(work.steps[0].step.inputs)
            request = await self.blocking(lambda: self._request(work)) if has_files else self._request(work)
            rendered = await self.providers[work.lane].render(request)
        except MachineError:
            raise
        except PipelineError as error:
            return Executed(results=(result_of(error),) * len(work.steps), error=error)
        results = _results(rendered)
        await self._remember(request, results)
        return Executed(results=results, error=rendered.unknown)

    def _request(self, work: Work) -> ImageRequest:
        first = work.steps[0].step
        profile = self.specs[first.provider].profile
        inputs = self._inputs(work.steps[0])
        priced = self._priced(work, inputs)
        quote = self.purse.admit(priced, f"{first.model} at {first.provider}", free=profile.free)
        return ImageRequest(
            steps=work.steps,
            provider=first.provider,
            protocol=first.protocol,
            model=first.model,
            prompt=first.prompt,
            params=first.params,
            inputs=inputs,
            history=self.turns.get(first.parent, ()) if first.parent else (),
            expected=quote.expected,
            worst=quote.worst,
            tokens=quote.tokens,
            renew=work.renew,
        )

    def _priced(self, work: Work, inputs: tuple[Prepared, ...]) -> Quote | None:
        """The plan's price, or with inputs the one told from their real sizes: a budget must not trust a guess."""
        step = work.steps[0].step
        if not inputs or work.quote is None or work.quote.source in {"free", "price"}:
            return work.quote
        return self.catalogue.quote(
            self.specs[step.provider].profile,
            step.model,
            step.params,
            prompt_chars=len(step.prompt),
            input_sizes=[(item.width, item.height) for item in inputs if item.role == "image"],
            count=len(work.steps),
        )

    def _inputs(self, ready: ReadyStep) -> tuple[Prepared, ...]:
        """Every input in the order of the key: the parent's picture first, a mask last."""
        images: list[Prepared] = []
        mask: Prepared | None = None
        for ref, (_, digest) in zip(ready.step.inputs, ready.parts.inputs, strict=True):
            prepared = self.desk.prepare(ref.source, ref.role, digest) if ref.source else self._parent(digest)
            if ref.role == "mask":
                mask = prepared
            else:
                images.append(prepared)
        return self.desk.match(tuple(images), mask) if mask else tuple(images)

    def _parent(self, digest: Digest) -> Prepared:
        image = self.pictures.image(digest)
        if image is None:
            raise InputFault(
                f"the picture before it ({digest[:12]}…) is not in the store (`pipeline verify` tells more)"
            )
        return self.desk.prepare_picture(image, self.pictures.path(image))

    async def _remember(self, request: ImageRequest, results: Sequence[StepResult | None]) -> None:
        """Keeps the conversation where the host wants all of it back with the next edit."""
        if self.specs[request.provider].profile.conversation != "whole" or request.protocol != "chat":
            return
        for ready, result in zip(request.steps, results, strict=True):
            if result is None or result.image is None or not ready.step.remaining:
                continue
            image = result.image
            picture = await self.blocking(
                lambda: self.desk.prepare_picture(image, self.pictures.path(image))  # noqa: B023 -- done at once
            )
            # The parent's picture came with the turn before: it does not travel twice.
            given = request.inputs[1:] if request.history else request.inputs
            turn = Turn(prompt=request.prompt, inputs=given, picture=picture)
            self.turns[ready.step.asset] = (*request.history, turn)


def _results(rendered: Rendered) -> tuple[StepResult | None, ...]:
    came = sum(kept is not None for kept in rendered.kept) or 1
    missing = result_of(rendered.unknown) if rendered.unknown is not None else None
    return tuple(_result(kept, MicroUsd(rendered.cost // came)) if kept else missing for kept in rendered.kept)


def _result(kept: Kept, usd: MicroUsd) -> StepResult:
    return StepResult(state=kept.state, reason=kept.reason, image=kept.image, usd=usd, warnings=kept.warnings)


def result_of(error: PipelineError) -> StepResult:
    """What an error makes of the assets that were asked for.

    What stops a provider, a budget or a closed door leaves them `planned`: nothing is wrong with them.
    """
    match error:
        case OutcomeUnknown():
            return _ended(State.UNKNOWN, "", error)
        case Refused():
            return _ended(State.REFUSED, error.answered.stage or "content", error)
        case KeyRefused() | NoFunds() | QuotaGone() | NotStarted() | BudgetReached():
            return StepResult(state=State.PLANNED, message=str(error))
        case InputFault():
            return _ended(State.FAILED, Reason.INPUT, error)
        case ModelMissing():
            return _ended(State.FAILED, Reason.MODEL, error)
        case BadRequest():
            return _ended(State.FAILED, Reason.REJECTED, error)
        case ProviderError():
            return _ended(State.FAILED, Reason.EXHAUSTED, error)
        case _:
            return _ended(State.FAILED, "", error)


def _ended(state: State, reason: str, error: PipelineError) -> StepResult:
    return StepResult(state=state, reason=reason, usd=FREE, warnings=(str(error),), message=str(error))
