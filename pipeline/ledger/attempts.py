"""Attempts from the intent to what a dead process left open, and the lists people ask for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.domain.digest import Digest
from pipeline.domain.errors import LedgerFault
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, AttemptRow, Intent, IntentSlot, RunId, Space
from pipeline.domain.step import KEY_VERSION, AssetName, KeyParts, StepKey
from pipeline.ledger import queries, rows
from pipeline.ledger.book import Book
from pipeline.ledger.errors import NoSuchAttempt, SlotTaken
from pipeline.ledger.money import count


def shares(cost: int, parts: int) -> tuple[int, ...]:
    """*cost* in so many parts that differ by one micro-dollar at most and add up to it exactly."""
    return tuple(cost // parts + (position < cost % parts) for position in range(parts))


def open_attempt(book: Book, intent: Intent, *, max_buys: int, again: bool) -> None:
    """Writes the `sent` row and its claims in one commit. Raises SlotTaken; then nothing was written."""
    with book.writing():
        attempt = _insert(book, intent)
        for slot in intent.slots:
            key = bytes.fromhex(slot.key)
            _check_standing(book, intent.space, slot.key, max_buys=max_buys, again=again)
            if not book.change(queries.CLAIM, (intent.space, key, attempt)):
                raise SlotTaken(slot.key, intent.space, "claimed")


def insert_attempt(book: Book, intent: Intent) -> None:
    """Writes an attempt without asking whether it may be bought: it was (a rebuild from receipts)."""
    with book.writing():
        started_at = rows.micros(intent.opened_at)
        book.change(queries.BEGIN_RUN, (intent.run_id, intent.manifest, intent.space, book.epoch, started_at))
        _insert(book, intent)


def _check_standing(book: Book, space: Space, key: StepKey, *, max_buys: int, again: bool) -> None:
    standing = book.row(queries.SLOT_STANDING, (space, bytes.fromhex(key)))
    if standing is None or again:
        return
    state, buys = standing
    if state == "done":
        raise SlotTaken(key, space, "done")
    if buys >= max_buys:
        raise SlotTaken(key, space, "bought")


def _insert(book: Book, intent: Intent) -> int:
    if not intent.slots:
        raise LedgerFault(f"attempt {intent.attempt_id}: it asks for nothing")
    run = book.row(queries.RUN, (intent.run_id,))
    if run is None:
        raise LedgerFault(f"attempt {intent.attempt_id}: run {intent.run_id} was never begun")
    started_at = rows.micros(intent.opened_at)
    attempt = book.insert(
        queries.ADD_ATTEMPT,
        (
            intent.attempt_id,
            run[0],
            book.epoch,
            _route(book, intent),
            intent.space,
            intent.manifest,
            started_at,
            intent.cost_high,
            intent.cost_low,
            intent.cost_high,
            rows.texts(intent.notes),
            bytes.fromhex(intent.request_digest),
        ),
    )
    for position, (slot, cost) in enumerate(
        zip(intent.slots, shares(intent.cost_high, len(intent.slots)), strict=True)
    ):
        key = bytes.fromhex(slot.key)
        add_key(book, key, slot.parts)
        book.change(queries.ADD_ATTEMPT_SLOT, (attempt, position, key, slot.asset, cost))
    first = intent.slots[0]
    (repeat,) = book.rows(queries.TRIED_BEFORE, (first.asset, bytes.fromhex(first.key), run[0], attempt))[0]
    count(
        book,
        run=run[0],
        manifest=intent.manifest,
        started_at=started_at,
        requests=1,
        retries=repeat,
        unknown=intent.cost_high,
    )
    return attempt


def add_key(book: Book, key: bytes, parts: KeyParts) -> None:
    """Writes the parts of a key and what it was made from, once."""
    if book.change(queries.ADD_KEY, (key, KEY_VERSION, rows.parts_text(parts))):
        for _, digest in parts.inputs:
            book.change(queries.ADD_KEY_INPUT, (bytes.fromhex(digest), key))


def _route(book: Book, intent: Intent) -> int:
    columns = (
        intent.provider,
        intent.endpoint,
        intent.protocol,
        intent.model,
        intent.key_fingerprint,
        intent.boot_id,
    )
    known = book.row(queries.ROUTE, columns)
    return int(known[0]) if known else book.insert(queries.ADD_ROUTE, columns)


def recover(book: Book) -> tuple[Intent, ...]:
    """What dead runs left `sent`, oldest first."""
    return tuple(_intent(book, row) for row in book.rows(queries.OPEN_ATTEMPTS, (book.epoch,)))


def intent_of(book: Book, attempt_id: AttemptId) -> Intent:
    """What an attempt was to buy. Raises NoSuchAttempt."""
    row = book.row(queries.INTENT, (attempt_id,))
    if row is None:
        raise NoSuchAttempt(f"attempt {attempt_id}: the ledger has no such attempt")
    return _intent(book, row)


def is_known(book: Book, attempt_id: AttemptId) -> bool:
    """Whether there is an attempt of that id, open or settled."""
    return book.row(queries.ATTEMPT, (attempt_id,)) is not None


def _intent(book: Book, row: tuple[Any, ...]) -> Intent:
    attempt, attempt_id, run_id, space, manifest, provider, endpoint, protocol, model = row[:9]
    key_fingerprint, boot_id, cost_low, cost_high, request_digest, started_at, notes = row[9:]
    return Intent(
        attempt_id=AttemptId(attempt_id),
        run_id=RunId(run_id),
        space=Space(space),
        manifest=manifest,
        provider=provider,
        endpoint=endpoint,
        protocol=protocol,
        model=model,
        slots=tuple(
            IntentSlot(key=StepKey(key.hex()), parts=rows.parts_of(parts), asset=AssetName(asset))
            for key, parts, asset in book.rows(queries.INTENT_SLOTS, (attempt,))
        ),
        cost_low=MicroUsd(cost_low),
        cost_high=MicroUsd(cost_high),
        request_digest=Digest(request_digest.hex()),
        key_fingerprint=key_fingerprint,
        boot_id=boot_id,
        opened_at=rows.moment(started_at),
        notes=rows.lines(notes),
    )


def conditions(
    *,
    attempt_id: AttemptId | None = None,
    run: RunId | None = None,
    manifest: str | None = None,
    asset: AssetName | None = None,
    outcome: str | None = None,
) -> tuple[tuple[str, object], ...]:
    """What is asked of attempts, as SQL with one placeholder each and its value; what is None is not asked."""
    asked = (
        ("a.attempt_id = ?", attempt_id),
        ("a.run = (SELECT run FROM runs WHERE run_id = ?)", run),
        ("a.manifest = ?", manifest),
        ("a.attempt IN (SELECT attempt FROM attempt_slots WHERE asset = ?)", asset),
        (queries.STANDS_AS, outcome),
    )
    return tuple((condition, value) for condition, value in asked if value is not None)


def list_attempts(book: Book, conditions: Sequence[tuple[str, object]], *, limit: int | None) -> tuple[AttemptRow, ...]:
    """Attempts that meet every condition (SQL of ours with one placeholder each), the latest first."""
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    sql = f"{queries.ATTEMPTS} WHERE {where} ORDER BY a.attempt DESC LIMIT ?"
    found = book.rows(sql, (*(value for _, value in conditions), -1 if limit is None else limit))
    return tuple(rows.attempt_of(row[:-1]) for row in found)


def list_unsettled(book: Book, manifest: str | None, assets: Sequence[AssetName]) -> tuple[AttemptRow, ...]:
    """Unknown attempts that nobody has settled, the oldest first."""
    found = (rows.attempt_of(row[:-1]) for row in book.rows(queries.UNSETTLED, {"manifest": manifest}))
    wanted = frozenset(assets)
    return tuple(row for row in found if not wanted or wanted.intersection(row.assets))


def latencies(book: Book, provider: str, model: str, *, limit: int) -> tuple[float, ...]:
    """Seconds of the latest `done` answers of one model at one provider, the newest first."""
    return tuple(seconds for (seconds,) in book.rows(queries.LATENCIES, (provider, model, limit)) if seconds)


def images_since(book: Book, endpoint: str, since: datetime, key_fingerprint: str | None) -> int:
    """Pictures that a host made, or perhaps made, since a moment; for one key, or for all of them."""
    asked = {"endpoint": endpoint, "since": rows.micros(since), "fingerprint": key_fingerprint}
    row = book.row(queries.MADE_SINCE, asked)
    return int(row[0]) if row else 0
