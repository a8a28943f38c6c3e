"""The one connection a ledger writes through: transactions, the fence in front of each, errors in our own words."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlite_utils import Database

from pipeline.domain.errors import DiskFull, LedgerFault
from pipeline.ledger import queries
from pipeline.ledger.errors import Fenced
from pipeline.ledger.rows import micros

Row: TypeAlias = tuple[Any, ...]
"""What SQLite gives back; it ends at the functions that make values of it."""

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]
"""Values of a statement's placeholders, by position (``?``) or by name (``:name``), never mixed."""

WAY_OUT: Final = "move it aside, then `pipeline verify --rebuild` makes a new one from receipts and images"

# EFBIG (a file size limit) and a full quota show as a failed write.
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def fault_of(error: sqlite3.Error, where: str) -> DiskFull | LedgerFault:
    """The error of ours that says what *error* means for the ledger at *where*."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _NO_ROOM:
        return DiskFull(f"{where}: no room to write ({error}): nothing new is sent (free some space, then run again)")
    if code & 0xFF in _DAMAGED:
        return LedgerFault(f"{where}: damaged ({error}): {WAY_OUT}")
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return LedgerFault(f"{where}: another program keeps it locked for writing (close it, then run again)")
    return LedgerFault(f"{where}: {error} (is the disk healthy and the folder writable?)")


class Book:
    """A connection with its lock, its fence and its clock.

    One thread at a time is inside; reads wait while a transaction of another thread is open, so that nobody
    sees what may still be rolled back.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, where: str, epoch: int | None, now: Callable[[], datetime]
    ) -> None:
        self.connection = connection
        self.db = Database(connection, execute_plugins=False)
        self.where = where
        self.epoch = epoch
        self.now = now
        self._turn = threading.RLock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing; inside another one, a savepoint.

        The outermost takes the write lock at once and checks the fence before anything else.
        Raises Fenced, DiskFull, LedgerFault; whatever its block raises passes through after the rollback.
        """
        with self._turn:
            try:
                if self.connection.in_transaction:
                    with self.db.atomic():
                        yield
                else:
                    with self._transaction():
                        yield
            except sqlite3.Error as error:
                raise fault_of(error, self.where) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # Not `atomic()` here: a deferred BEGIN would check the fence on a snapshot and find out too late.
        if self.epoch is None:
            raise LedgerFault(f"{self.where}: opened for reading only")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            ((latest,),) = self.connection.execute(queries.LATEST_EPOCH).fetchall()
            if latest != self.epoch:
                raise Fenced(self.epoch, latest)
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back by itself; then there is nothing to roll back.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query. Raises LedgerFault."""
        with self._turn:
            try:
                return self.connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise fault_of(error, self.where) from error

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query, None when there is none. Raises LedgerFault."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def change(self, sql: str, parameters: Parameters = ()) -> int:
        """Executes one statement inside `writing()`; how many rows it changed."""
        return self.connection.execute(sql, parameters).rowcount

    def insert(self, sql: str, parameters: Sequence[object]) -> int:
        """Executes one INSERT inside `writing()`; the new row's id."""
        row = self.connection.execute(sql, parameters).lastrowid
        assert row is not None
        return row

    def change_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Executes one statement for many rows inside `writing()`."""
        self.connection.executemany(sql, rows)

    def moment(self) -> int:
        """The present in microseconds since 1970 UTC, as columns have it."""
        return micros(self.now())

    def close(self) -> None:
        """Notes an orderly end (a writer) and closes the connection. Safe to repeat."""
        with self._turn:
            try:
                if self.epoch is not None:
                    with self.connection:
                        self.connection.execute(queries.CLOSE_EPOCH, (self.moment(), self.epoch))
            except sqlite3.ProgrammingError:
                return  # closed before
            except sqlite3.Error:
                # The note only saves the next start an integrity check.
                self.epoch = None
            self.connection.close()
