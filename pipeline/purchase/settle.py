"""From a whole answer, or from an error, to the one record of how an attempt ended.

No await and no network: it runs to its end once begun, may be repeated, and is the same code at recovery.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest, ModelMissing, OutcomeUnknown, ProviderError, Refused, ServerFault
from pipeline.domain.image import Image
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import Intent, IntentSlot, Kept, Outcome, Reason, Settlement, Space, State
from pipeline.domain.request import Answer, Picture
from pipeline.inspect import BrokenPicture
from pipeline.ports import Catalogue, Clock, ImageStore
from pipeline.purchase.judge import judge, wants_alpha
from pipeline.purchase.landed import Landed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended that brought no whole answer. salvaged: whole pictures found in a cut body, in order."""

    error: ProviderError
    space: Space
    seconds: float = 0.0
    salvaged: Sequence[Picture] = ()
    culprit: str = ""
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Stores what came and says what it means. Every method blocks."""

    store: ImageStore
    catalogue: Catalogue
    clock: Clock

    def answered(
        self,
        intent: Intent,
        came: Landed,
        *,
        space: Space,
        seconds: float,
        recovered: bool = False,
        sync: Callable[[int], None] | None = None,
    ) -> Settlement:
        """The settlement of an attempt whose answer was read. sync: as in `ImageStore.put`.

        A picture whose bytes are unusable leaves its slot unknown: it was paid for, and a person decides; one that
        nobody asked for is simply left out. Raises DiskFull when a picture cannot be kept.
        """
        answer = came.answer
        kept: list[Kept] = []
        broken: list[str] = []
        for position, picture in enumerate(answer.pictures):
            slot = position if position < len(intent.slots) else None
            data = picture.data or came.fetched.get(position, b"")
            try:
                if not data:
                    raise BrokenPicture(came.missing.get(position, "an empty picture"))
                kept.append(self._kept(self.store.put(data, sync), intent, slot, picture))
            except BrokenPicture as error:
                broken += [str(error)] if slot is not None else []
        cost, estimated = self._cost(intent, answer)
        outcome = Outcome.UNKNOWN if broken or not kept else Outcome.DONE
        return Settlement(
            attempt_id=intent.attempt_id,
            outcome=outcome,
            ended_at=self.clock.now(),
            space=space,
            kept=tuple(kept),
            http_status=came.head.status,
            error_code="unusable" if broken else "",
            request_id=answer.request_id,
            message="; ".join(broken),
            seconds=seconds,
            cost=cost,
            cost_high=max(cost, intent.cost_high) if outcome is Outcome.UNKNOWN else cost,
            estimated=estimated,
            usage=_usage(answer),
            resolved=answer.resolved,
            recovered=recovered,
        )

    def ended(self, intent: Intent, ending: Ending) -> Settlement:
        """The settlement of an attempt that brought no whole answer.

        Whole pictures found in a cut body are kept and the other slots are unknown; where none is missing, the attempt
        is done: it was billed, and everything that was asked for is there.
        """
        error, told = ending.error, ending.error.answered
        outcome, reason = classify(error)
        kept = tuple(self._salvage(intent, ending.salvaged)) if outcome is Outcome.UNKNOWN else ()
        if kept and len(kept) == len(intent.slots):
            outcome = Outcome.DONE
        high = intent.cost_high if isinstance(error, OutcomeUnknown | ServerFault | Refused) else FREE
        costs = {Outcome.UNKNOWN: intent.cost_high, Outcome.DONE: intent.cost_low}
        return Settlement(
            attempt_id=intent.attempt_id,
            outcome=outcome,
            ended_at=self.clock.now(),
            space=ending.space,
            kept=kept,
            reason=reason,
            http_status=told.status,
            error_code=told.code,
            request_id=told.request_id,
            message=str(error),
            seconds=ending.seconds,
            cost=costs.get(outcome, FREE),
            cost_high=high,
            stage=told.stage,
            categories=told.categories,
            culprit=ending.culprit,
            recovered=ending.recovered,
        )

    def _kept(self, image: Image, intent: Intent, slot: int | None, picture: Picture) -> Kept:
        if slot is None:
            return Kept(image=image, slot=None, state=State.DONE, warnings=("more pictures came than were asked",))
        asked: IntentSlot = intent.slots[slot]
        opaque = ""
        if wants_alpha(asked.parts):
            image, opaque = self._looked_at(image)
        verdict = judge(asked.parts, asked.accept, image.facts, opaque)
        return Kept(
            image=image,
            slot=slot,
            state=verdict.state,
            reason=verdict.reason,
            revised_prompt=picture.revised_prompt,
            warnings=verdict.warnings,
        )

    def _looked_at(self, image: Image) -> tuple[Image, str]:
        """The picture with the share of transparent pixels, and why it is not transparent (empty when it is)."""
        from pipeline.inspect.alpha import shortcoming, transparency, with_share  # noqa: PLC0415 -- Pillow loads here

        alpha = transparency(self.store.read(image), image.facts)
        return replace(image, facts=with_share(image.facts, alpha)), shortcoming(alpha)

    def _salvage(self, intent: Intent, pictures: Sequence[Picture]) -> list[Kept]:
        kept: list[Kept] = []
        for position, picture in enumerate(pictures[: len(intent.slots)]):
            try:
                kept.append(self._kept(self.store.put(picture.data), intent, position, picture))
            except BrokenPicture:
                break
        return kept

    def _cost(self, intent: Intent, answer: Answer) -> tuple[MicroUsd, bool]:
        """What an answer costs and whether that is an estimate: its usage, else `price:`, else what was expected."""
        if answer.usage is not None:
            profile = self.catalogue.profile(intent.preset)
            billed = self.catalogue.bill(profile, intent.model, answer.usage) if profile else answer.usage.cost
            if billed is not None:
                return billed, False
        if intent.price is not None:
            return MicroUsd(intent.price * len(answer.pictures)), False
        return intent.cost_low, True


def any_filled(settlement: Settlement) -> bool:
    """Whether any slot got a picture."""
    return any(kept.slot is not None for kept in settlement.kept)


def classify(error: ProviderError) -> tuple[Outcome, str]:
    """How an attempt that ended in *error* is written down, and the reason its slots get.

    A failed attempt without a reason leaves its slots wanted: they may be asked again.
    """
    match error:
        case OutcomeUnknown():
            return Outcome.UNKNOWN, ""
        case Refused():
            return Outcome.REFUSED, error.answered.stage or "content"
        case BadRequest():
            return Outcome.FAILED, Reason.REJECTED
        case ModelMissing():
            return Outcome.FAILED, Reason.MODEL
        case _:
            return Outcome.FAILED, ""


def _usage(answer: Answer) -> dict[str, Json]:
    if answer.usage is None:
        return {}
    usage = answer.usage
    return {
        "text_in": usage.text_in,
        "image_in": usage.image_in,
        "cached_in": usage.cached_in,
        "text_out": usage.text_out,
        "image_out": usage.image_out,
    }
