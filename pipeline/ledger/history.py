"""What a contact sheet tells besides how assets stand: how each came to be, read for many assets at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, AttemptRow, Delivery, RunId, Space, State
from pipeline.domain.step import AssetName, KeyParts, StepKey
from pipeline.ledger import queries_history as sql
from pipeline.ledger import rows
from pipeline.ledger.book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a manifest stands. paid: whether any of it was made by a paid provider. updated_at: of the last change."""

    counts: Mapping[State, int]
    paid: bool
    updated_at: datetime | None


class History:
    """``ledger.history``: reads only, each call blocks and raises as `Ledger` says.

    An asset's attempts are those that asked for it, and the one that filled the slot it shows: a picture bought for
    another asset, of another manifest perhaps, that asks for the same.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def attempts(self, manifest: str, names: Sequence[AssetName]) -> tuple[AttemptRow, ...]:
        """The attempts of these assets in whatever space, the oldest first."""
        found = self._book.rows(f"{sql.OF_ASSETS} {sql.THEIR_ATTEMPTS}", _asked(manifest, names))
        return tuple(rows.attempt_of(row[:-1]) for row in found)

    def deliveries(self, manifest: str, names: Sequence[AssetName]) -> tuple[Delivery, ...]:
        """The pictures those attempts brought for a slot, the oldest first."""
        return tuple(
            Delivery(
                attempt_id=AttemptId(attempt_id),
                run_id=RunId(run_id),
                space=Space(space),
                asset=AssetName(asset),
                key=StepKey(key.hex()),
                digest=Digest(digest.hex()),
                at=rows.moment(at),
                usd=MicroUsd(usd),
                revised_prompt=revised_prompt or "",
            )
            for attempt_id, run_id, space, asset, key, digest, at, usd, revised_prompt in self._book.rows(
                f"{sql.OF_ASSETS} {sql.THEIR_PICTURES}", _asked(manifest, names)
            )
        )

    def parts(self, manifest: str, names: Sequence[AssetName]) -> dict[StepKey, KeyParts]:
        """What was asked, for every key those attempts or the assets have."""
        found = self._book.rows(f"{sql.OF_ASSETS} {sql.THEIR_KEYS}", _asked(manifest, names))
        return {StepKey(key.hex()): rows.parts_of(parts) for key, parts in found}

    def inputs(self, manifest: str, names: Sequence[AssetName]) -> dict[Digest, str]:
        """Where each input of those keys came from (a file or a URL); a parent's picture is no such input."""
        found = self._book.rows(f"{sql.OF_ASSETS} {sql.THEIR_INPUTS}", _asked(manifest, names))
        return {Digest(digest.hex()): source for digest, source in found}

    def standing(self, manifest: str) -> Standing:
        """How a manifest stands as it was left last, in whatever space."""
        found = self._book.rows(sql.STANDING, {"manifest": manifest})
        return Standing(
            counts={rows.STATES[state]: count for state, count, _, _ in found},
            paid=any(paid for _, _, paid, _ in found),
            updated_at=rows.moment_or_none(max((at for *_, at in found), default=None)),
        )

    def manifests(self) -> tuple[str, ...]:
        """Every manifest that has assets or had runs, by name."""
        return tuple(name for (name,) in self._book.rows(sql.MANIFESTS))


def _asked(manifest: str, names: Sequence[AssetName]) -> dict[str, object]:
    return {"manifest": manifest, "names": json.dumps(names)}
