"""Endpoints and the space they were found to belong to."""

from pipeline.domain.record import SKETCH, Space
from pipeline.ledger import queries_assets as sql
from pipeline.ledger.book import Book


def space_of(book: Book, endpoint: str) -> Space | None:
    """The space an endpoint was found to belong to; None while nothing was learned."""
    row = book.row(sql.SPACE_OF, (endpoint,))
    return Space(row[0]) if row else None


def learn_sketch(book: Book, endpoint: str) -> None:
    """An endpoint turned out to be our own gateway: what it ever brought moves to the sketch space, all at once.

    A rehearsal must never satisfy a paid asset, whatever the provider was called.
    """
    with book.writing():
        book.change(sql.PUT_ENDPOINT, (endpoint, SKETCH, book.moment()))
        book.change(sql.FORGET_MOVED)
        book.change(sql.MOVED, (endpoint, SKETCH))
        for statement in (
            sql.MOVE_SLOTS,
            sql.DROP_MOVED_SLOTS,
            sql.MOVE_CLAIMS,
            sql.MOVE_ASSETS,
            sql.MOVE_ATTEMPTS,
        ):
            book.change(statement, {"space": SKETCH})
        book.change(sql.FORGET_MOVED)


def unlearn(book: Book, endpoint: str) -> None:
    """Another host answers there now: the endpoint has no learned space any more; what it brought stays."""
    with book.writing():
        book.change(sql.DROP_ENDPOINT, (endpoint,))
