"""Sums of money: kept exact beside the attempts they come from, so that asking is never a scan."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import Money, RunId
from pipeline.domain.step import AssetName
from pipeline.ledger import queries
from pipeline.ledger.book import Book

NOTHING = Money(spent=FREE, unknown=FREE)


def count(
    book: Book,
    *,
    run: int,
    manifest: str,
    started_at: int,
    requests: int = 0,
    retries: int = 0,
    images: int = 0,
    spent: int = 0,
    unknown: int = 0,
) -> None:
    """Adds (or takes off) what an attempt changes, in its run and in the month it started in; micro-USD."""
    book.change(queries.COUNT_RUN, (requests, retries, images, spent, unknown, run))
    if spent or unknown:
        book.change(queries.COUNT_MONTH, (started_at, manifest, spent, unknown))


def money_of_run(book: Book, run_id: RunId) -> Money:
    """What one run counts; nothing for a run that never was."""
    return _money(book.row(queries.MONEY_OF_RUN, (run_id,)))


def money_since(book: Book, since: datetime | None, manifest: str | None) -> Money:
    """What the attempts started in *since*'s month (UTC) or later count; all of them for None."""
    month = since.astimezone(UTC).strftime("%Y-%m") if since else ""
    return _money(book.row(queries.MONEY_SINCE, {"month": month, "manifest": manifest}))


def money_of_assets(book: Book, manifest: str, names: Sequence[AssetName]) -> dict[AssetName, Money]:
    """What each asset has counted over all runs; assets that never cost anything are left out."""
    found = book.rows(queries.MONEY_OF_ASSETS, (json.dumps(names), manifest))
    return {AssetName(name): Money(spent=MicroUsd(spent), unknown=MicroUsd(unknown)) for name, spent, unknown in found}


def _money(row: Sequence[int] | None) -> Money:
    return Money(spent=MicroUsd(row[0]), unknown=MicroUsd(row[1])) if row else NOTHING
