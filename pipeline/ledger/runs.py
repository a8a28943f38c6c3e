"""Runs: begun, ended, listed."""

from pipeline.domain.errors import LedgerFault
from pipeline.domain.record import RunId, RunRow, Space
from pipeline.ledger import queries, rows
from pipeline.ledger.book import Book


def begin_run(book: Book, run_id: RunId, manifest: str, space: Space) -> None:
    """Writes a run's start. Raises LedgerFault when the id is taken."""
    with book.writing():
        if not book.change(queries.BEGIN_RUN, (run_id, manifest, space, book.epoch, book.moment())):
            raise LedgerFault(f"run {run_id}: the ledger has a run of that id already")


def end_run(book: Book, run_id: RunId, code: int) -> None:
    """Writes a run's end and its exit status. Raises LedgerFault when it never began."""
    with book.writing():
        if not book.change(queries.END_RUN, (book.moment(), code, run_id)):
            raise LedgerFault(f"run {run_id}: it was never begun")


def runs(book: Book, manifest: str | None, limit: int | None) -> tuple[RunRow, ...]:
    """Runs, the latest first."""
    query = f"{queries.RUNS} WHERE :manifest IS NULL OR manifest = :manifest ORDER BY run DESC LIMIT :limit"
    return tuple(
        rows.run_of(row) for row in book.rows(query, {"manifest": manifest, "limit": -1 if limit is None else limit})
    )


def run(book: Book, run_id: RunId) -> RunRow | None:
    """One run; None when there is none of that id."""
    row = book.row(f"{queries.RUNS} WHERE run_id = ?", (run_id,))
    return rows.run_of(row) if row else None
