"""What is told of an attempt: its events, its request's digest, what it brought for each slot."""

from pipeline.domain.digest import Digest, canonical_json, digest_of
from pipeline.domain.event import AttemptEnded, AttemptSent
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Intent, Kept, Rendered, Settlement
from pipeline.domain.request import ImageRequest


def sent_event(intent: Intent, *, worst: MicroUsd, repeat: bool) -> AttemptSent:
    """A request is on its way."""
    return AttemptSent(
        attempt_id=intent.attempt_id,
        assets=tuple(slot.asset for slot in intent.slots),
        provider=intent.provider,
        model=intent.model,
        worst=worst,
        repeat=repeat,
    )


def ended_event(intent: Intent, settlement: Settlement) -> AttemptEnded:
    """An attempt ended."""
    return AttemptEnded(
        attempt_id=intent.attempt_id,
        assets=tuple(slot.asset for slot in intent.slots),
        provider=intent.provider,
        outcome=settlement.outcome,
        http_status=settlement.http_status,
        code=settlement.error_code,
        message=settlement.message,
        request_id=settlement.request_id,
        images=len(settlement.kept),
        usd=settlement.cost,
        seconds=settlement.seconds,
        culprit=settlement.culprit,
    )


def rendered(intent: Intent, settlement: Settlement) -> Rendered:
    """What an attempt brought for each slot, in order."""
    kept: list[Kept | None] = [None] * len(intent.slots)
    for picture in settlement.kept:
        if picture.slot is not None:
            kept[picture.slot] = picture
    return Rendered(attempt_id=intent.attempt_id, kept=tuple(kept), cost=settlement.cost)


def request_digest(request: ImageRequest) -> Digest:
    """The digest of what was asked, without the key: the parts of every slot and what was sent of each input."""
    asked = {
        "count": request.count,
        "model": request.model,
        "parts": [ready.parts.as_json() for ready in request.steps],
        "sent": [[item.digest, item.size, item.media_type] for item in request.inputs],
    }
    return digest_of(canonical_json(asked))


def inputs_of(request: ImageRequest) -> tuple[tuple[Digest, str, tuple[str, ...]], ...]:
    """Digest, source and what was done to each input that came from outside; a chain's parent is no such input."""
    refs = request.steps[0].step.inputs
    notes = {item.digest: item.notes for item in request.inputs}
    return tuple((ref.digest, ref.source, notes.get(ref.digest, ())) for ref in refs if ref.digest and ref.source)
