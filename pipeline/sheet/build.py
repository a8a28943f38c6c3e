"""Rows of the ledger → `Sheet`: every asset with its story, and what is missing by cause. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AssetRow, AttemptId, AttemptRow, Delivery
from pipeline.domain.step import AssetName
from pipeline.sheet.because import reason_for
from pipeline.sheet.causes import groups_of
from pipeline.sheet.model import Card, Earlier, Sheet, SheetData

MOST_EARLIER: Final = 12
"""Earlier pictures of one asset that are shown."""

MOST_ATTEMPTS: Final = 30
"""Attempts of one asset that are told, the latest of them."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def build(data: SheetData, lacking: frozenset[Digest] = frozenset()) -> Sheet:
    """What a page says of *data*. lacking: pictures whose bytes are nowhere any more. Pure; linear in the rows."""
    past = _Past.of(data)
    cards = tuple(_card(row, data, past) for row in data.assets)
    return Sheet(data=data, cards=cards, groups=groups_of(data, cards, lacking))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """Attempts and pictures by the asset they were asked for. bringing: who brought a picture last, for whomever."""

    attempts: dict[AssetName, list[AttemptRow]]
    deliveries: dict[AssetName, list[Delivery]]
    bringing: dict[Digest, Delivery]
    by_id: dict[AttemptId, AttemptRow]

    @classmethod
    def of(cls, data: SheetData) -> "_Past":
        past = cls(
            attempts=defaultdict(list),
            deliveries=defaultdict(list),
            bringing={},
            by_id={attempt.attempt_id: attempt for attempt in data.attempts},
        )
        ours = {attempt.attempt_id for attempt in data.attempts if attempt.manifest == data.manifest}
        for attempt in data.attempts:
            for asset in dict.fromkeys(attempt.assets if attempt.attempt_id in ours else ()):
                past.attempts[asset].append(attempt)
        for delivery in data.deliveries:
            past.bringing[delivery.digest] = delivery
            if delivery.attempt_id in ours:
                past.deliveries[delivery.asset].append(delivery)
        return past


def _card(row: AssetRow, data: SheetData, past: _Past) -> Card:
    own = [delivery for delivery in past.deliveries.get(row.asset, ()) if delivery.space == row.space]
    attempts = [attempt for attempt in past.attempts.get(row.asset, ()) if attempt.space == row.space]
    spent = sum(attempt.usd / len(attempt.assets) for attempt in attempts)
    digest = row.image.digest if row.image is not None else None
    present = next((delivery for delivery in reversed(own) if delivery.digest == digest), None)
    brought = present or (past.bringing.get(digest) if digest is not None else None)
    if brought is not None and present is None and brought.attempt_id in past.by_id:
        attempts.append(past.by_id[brought.attempt_id])
    return Card(
        row=row,
        taken=None if digest is None else (present.at if present is not None else row.updated_at),
        earlier=tuple(_earlier(row, own, present, past)),
        because=reason_for(row, own, attempts, data.parts),
        parts=data.parts.get(row.key) if row.key is not None else None,
        revised_prompt=brought.revised_prompt if brought is not None else "",
        attempts=tuple(attempts[-MOST_ATTEMPTS:]),
        spent=MicroUsd(round(spent)),
    )


def _earlier(row: AssetRow, own: Sequence[Delivery], present: Delivery | None, past: _Past) -> Iterator[Earlier]:
    """The pictures before the present one, the latest first, each once."""
    seen = {row.image.digest} if row.image is not None else set()
    before = own[: own.index(present)] if present is not None else own
    left = MOST_EARLIER
    for delivery in reversed(before):
        if delivery.digest not in seen and left:
            seen.add(delivery.digest)
            left -= 1
            yield Earlier(digest=delivery.digest, at=delivery.at)
    if row.previous is not None and row.previous not in seen:
        brought = past.bringing.get(row.previous)
        yield Earlier(digest=row.previous, at=brought.at if brought is not None else _LONG_AGO)
