"""How attempts end: once, all in one transaction; and what a person says of those nobody knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pipeline.domain.image import Image
from pipeline.domain.record import SKETCH, AttemptId, Intent, Kept, Outcome, Reason, Settlement, Space, State
from pipeline.ledger import queries, rows
from pipeline.ledger.attempts import shares
from pipeline.ledger.book import Book
from pipeline.ledger.errors import NoSuchAttempt, SettledOtherwise
from pipeline.ledger.money import count

Decision = Literal["billed", "not_billed", "rebuy"]
"""What a person says of an unknown attempt; ``rebuy``: it was billed, and the picture is to be asked for again."""

_STATE_WITHOUT_PICTURE: Final = {
    Outcome.REFUSED: State.REFUSED,
    Outcome.FAILED: State.FAILED,
    Outcome.UNKNOWN: State.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    attempt: int
    attempt_id: AttemptId
    run: int
    manifest: str
    started_at: int
    outcome: str | None
    decision: str | None
    cost: int
    cost_high: int
    space: Space


def settle(book: Book, settlement: Settlement) -> None:
    """Ends an attempt. Nothing happens when it already ended just so.

    Raises NoSuchAttempt, SettledOtherwise.
    """
    with book.writing():
        attempt = _find(book, settlement.attempt_id)
        if attempt.outcome is not None:
            if not _is_the_same(book, attempt, settlement):
                raise SettledOtherwise(settlement.attempt_id, attempt.outcome, settlement.outcome.value)
            return
        if attempt.space == SKETCH:
            # The endpoint was found to be our own gateway while this answer was on its way.
            settlement = replace(settlement, space=SKETCH)
        _keep_images(book, attempt, settlement)
        _settle_slots(book, attempt, settlement)
        _write_outcome(book, attempt, settlement)
        book.change(queries.DROP_CLAIMS, (attempt.attempt,))
        unknown = settlement.outcome is Outcome.UNKNOWN
        count(
            book,
            run=attempt.run,
            manifest=attempt.manifest,
            started_at=attempt.started_at,
            images=len(settlement.kept),
            spent=0 if unknown else settlement.cost,
            unknown=(settlement.cost if unknown else 0) - attempt.cost,
        )


def _find(book: Book, attempt_id: AttemptId) -> _Attempt:
    row = book.row(queries.ATTEMPT, (attempt_id,))
    if row is None:
        raise NoSuchAttempt(
            f"attempt {attempt_id}: the ledger has no such attempt (`pipeline verify --rebuild` reads receipts)"
        )
    attempt, run, manifest, started_at, outcome, decision, cost, cost_high, space = row
    return _Attempt(
        attempt=attempt,
        attempt_id=attempt_id,
        run=run,
        manifest=manifest,
        started_at=started_at,
        outcome=outcome,
        decision=decision,
        cost=cost,
        cost_high=cost_high,
        space=Space(space),
    )


def _is_the_same(book: Book, attempt: _Attempt, settlement: Settlement) -> bool:
    kept = [(bytes.fromhex(kept.image.digest), kept.slot) for kept in settlement.kept]
    same_cost = attempt.decision is not None or attempt.cost == settlement.cost
    return (
        attempt.outcome == settlement.outcome
        and same_cost
        and attempt.cost_high == settlement.cost_high
        and book.rows(queries.ATTEMPT_IMAGES, (attempt.attempt,)) == kept
    )


def _keep_images(book: Book, attempt: _Attempt, settlement: Settlement) -> None:
    keys = {position: key for position, key, _ in book.rows(queries.ATTEMPT_SLOTS, (attempt.attempt,))}
    ended_at = rows.micros(settlement.ended_at)
    for position, kept in enumerate(settlement.kept):
        # Surplus has no slot of its own; it was asked with the first one's words.
        key = keys[kept.slot or 0]
        put_image(book, kept.image, created_at=ended_at, attempt=attempt.attempt, key=key)
        book.change(
            queries.ADD_ATTEMPT_IMAGE,
            (
                attempt.attempt,
                position,
                bytes.fromhex(kept.image.digest),
                kept.slot,
                kept.reason,
                rows.text_or_none(kept.revised_prompt),
                rows.texts(kept.warnings),
            ),
        )


def put_image(book: Book, image: Image, *, created_at: int, attempt: int | None, key: bytes | None) -> None:
    """Writes a picture's facts; what is there already stays, but for a transparency nobody had looked at."""
    book.change(queries.ADD_IMAGE, (*rows.image_columns(image), created_at, attempt, key))


def _settle_slots(book: Book, attempt: _Attempt, settlement: Settlement) -> None:
    slots = book.rows(queries.ATTEMPT_SLOTS, (attempt.attempt,))
    filled = {kept.slot: kept for kept in settlement.kept if kept.slot is not None}
    # The money belongs to the pictures that came; where none came, to all that were asked.
    paying = [position for position, _, _ in slots if not filled or position in filled]
    costs = dict(zip(paying, shares(settlement.cost, len(paying)), strict=True))
    now = rows.micros(settlement.ended_at)
    for position, key, _ in slots:
        kept = filled.get(position)
        state, reason = _standing(settlement, kept)
        cost = costs.get(position, 0)
        book.change(queries.SHARE_COST, (cost, attempt.attempt, position))
        book.change(
            queries.PUT_SLOT,
            (
                settlement.space,
                key,
                state.value,
                reason,
                attempt.attempt_id,
                attempt.run,
                cost if kept else 0,
                int(kept is not None or settlement.outcome is Outcome.UNKNOWN),
                now,
                rows.texts(kept.warnings) if kept else None,
                *(rows.image_columns(kept.image) if kept else rows.NO_IMAGE),
            ),
        )


def _standing(settlement: Settlement, kept: Kept | None) -> tuple[State, str]:
    if kept is not None:
        return kept.state, kept.reason
    if settlement.outcome is Outcome.DONE:
        # Fewer pictures than asked: those missing were not delivered, and are simply asked for again.
        return (State.FAILED if settlement.reason else State.PLANNED), settlement.reason
    return _STATE_WITHOUT_PICTURE[settlement.outcome], settlement.reason


def _write_outcome(book: Book, attempt: _Attempt, settlement: Settlement) -> None:
    book.change(
        queries.SETTLE,
        (
            settlement.outcome.value,
            settlement.space,
            rows.micros(settlement.ended_at),
            settlement.cost,
            settlement.cost_high,
            settlement.estimated,
            settlement.http_status or None,
            rows.text_or_none(settlement.error_code),
            rows.text_or_none(settlement.request_id),
            rows.text_or_none(settlement.remote_id),
            rows.text_or_none(settlement.message),
            rows.text_or_none(settlement.reason),
            settlement.seconds,
            rows.text_or_none(settlement.culprit),
            rows.text_or_none(settlement.stage),
            rows.texts(settlement.categories),
            rows.mapping(settlement.usage),
            rows.mapping(settlement.resolved),
            settlement.recovered,
            attempt.attempt,
        ),
    )


def reconcile(book: Book, attempt_ids: Sequence[AttemptId], decision: Decision, note: str) -> int:
    """Settles unknown attempts by a person's word; those settled before are left alone. How many were settled.

    Raises NoSuchAttempt when one is not unknown; then none was settled.
    """
    settled = 0
    with book.writing():
        for attempt_id in attempt_ids:
            attempt = _find(book, attempt_id)
            if attempt.outcome != Outcome.UNKNOWN:
                raise NoSuchAttempt(f"attempt {attempt_id}: it is {attempt.outcome or 'sent'}, not unknown")
            if attempt.decision is None:
                _decide(book, attempt, decision, note)
                settled += 1
    return settled


def _decide(book: Book, attempt: _Attempt, decision: Decision, note: str) -> None:
    now = book.moment()
    cost = 0 if decision == "not_billed" else attempt.cost
    book.change(queries.DECIDE, (decision, now, rows.clean(note), cost, attempt.attempt))
    billed = decision == "billed"
    state, reason = (State.FAILED, Reason.LOST.value) if billed else (State.PLANNED, "")
    for position, key, _ in book.rows(queries.ATTEMPT_SLOTS, (attempt.attempt,)):
        if not cost:
            book.change(queries.SHARE_COST, (0, attempt.attempt, position))
        if book.row(queries.STILL_UNKNOWN, (attempt.attempt, attempt.space, key)) == (1,):
            if decision == "not_billed":
                book.change(queries.LOWER_BUYS, (attempt.space, key))
            continue
        # A person who says "buy it again" starts the count of purchases anew.
        book.change(
            queries.DECIDE_SLOT,
            (state.value, reason, decision == "rebuy", -int(decision == "not_billed"), now, attempt.space, key),
        )
        book.change(queries.DECIDE_ASSETS, (state.value, reason, now, key, attempt.space))
    count(
        book,
        run=attempt.run,
        manifest=attempt.manifest,
        started_at=attempt.started_at,
        spent=cost,
        unknown=-attempt.cost,
    )


def mark_unknown(book: Book, intent: Intent, *, culprit: str, message: str, seconds: float) -> None:
    """Ends an open attempt as perhaps billed, counted at its worst price."""
    settle(
        book,
        Settlement(
            attempt_id=intent.attempt_id,
            outcome=Outcome.UNKNOWN,
            ended_at=book.now(),
            space=intent.space,
            message=message,
            culprit=culprit,
            seconds=seconds,
            cost=intent.cost_high,
            cost_high=intent.cost_high,
            recovered=True,
        ),
    )


def mark_unsent(book: Book, intent: Intent, *, message: str) -> None:
    """Ends an open attempt as surely never sent: it cost nothing."""
    settle(
        book,
        Settlement(
            attempt_id=intent.attempt_id,
            outcome=Outcome.FAILED,
            ended_at=book.now(),
            space=intent.space,
            message=message,
            error_code="not_sent",
            estimated=False,
            recovered=True,
        ),
    )
