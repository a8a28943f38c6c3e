"""Opening a ledger's file: told from strangers, checked, backed up and migrated before anything is written."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from pipeline.domain.errors import LedgerFault
from pipeline.ledger import queries, schema
from pipeline.ledger.book import WAY_OUT, Book, fault_of
from pipeline.ledger.rows import micros

FILE: Final = "ledger.db"
BACKUPS: Final = "backups"
EVIDENCE: Final = ("receipts", "images", "spool")
"""Folders beside the ledger that say it once knew more than an empty one does."""

_HEADER: Final = b"SQLite format 3\x00"
_BUSY_MS: Final = 30_000
_CHECK_BYTES: Final = 64 * 1024 * 1024
_BACKUPS_KEPT: Final = 7
_UNREAD: Final = "unread_evidence"


def open_writer(folder: Path, *, host: str, boot_id: str, now: Callable[[], datetime]) -> tuple[Book, bool]:
    """The writing connection, and whether the file was made just now; takes the next epoch.

    Raises LedgerFault for a file that is damaged, cut, foreign or newer (it is left as it is), DiskFull.
    """
    path = folder / FILE
    with _faults(path):
        is_new = not path.exists()
        if is_new:
            _create(folder, host)
        check_header(path)
        connection = _connect(f"file:{_quoted(path)}?mode=rw")
        try:
            _check(connection, path)
            _migrate(connection, folder, now)
            epoch = _next_epoch(connection, host, boot_id, now)
        except BaseException:
            connection.close()
            raise
        return Book(connection, where=str(path), epoch=epoch, now=now), is_new


def open_reader(folder: Path, *, now: Callable[[], datetime]) -> tuple[Book, bool]:
    """A connection that cannot write, and whether there is no ledger yet (then it reads an empty one in memory).

    Raises LedgerFault as `open_writer` does.
    """
    path = folder / FILE
    with _faults(path):
        if not path.exists():
            connection = sqlite3.connect(":memory:", check_same_thread=False)
            schema.MIGRATIONS.apply(Database(connection, execute_plugins=False))
            return Book(connection, where=str(path), epoch=None, now=now), True
        check_header(path)
        connection = _connect_reader(path)
        try:
            connection = _up_to_date(connection, path)
        except BaseException:
            connection.close()
            raise
        return Book(connection, where=str(path), epoch=None, now=now), False


def has_evidence(folder: Path) -> bool:
    """Whether receipts, images or notes of requests on their way lie beside the ledger."""
    found = (path for name in EVIDENCE for path in (folder / name).rglob("*.*"))
    # What a process left that was killed while it tried whether it may write here says nothing.
    return any(not path.name.startswith(".") for path in found)


def is_unread(book: Book) -> bool:
    """Whether the ledger was made beside evidence that nobody has read into it yet."""
    return book.row(queries.META, (_UNREAD,)) is not None


def mark_unread(book: Book, unread: bool) -> None:
    """Notes (or takes back) that the evidence beside the ledger is not in it."""
    with book.writing():
        if unread:
            book.change(queries.SET_META, (_UNREAD, "1"))
        else:
            book.change(queries.DROP_META, (_UNREAD,))


def check_header(path: Path) -> None:
    """Refuses what cannot be a whole ledger of ours before SQLite touches it. Raises LedgerFault."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_HEADER):
        what = "cut short" if _HEADER.startswith(header[:16]) else "not an SQLite file"
        raise LedgerFault(f"{path}: {what} ({size} bytes): {WAY_OUT}")
    if int.from_bytes(header[68:72], "big") != schema.APPLICATION_ID:
        raise LedgerFault(f"{path}: a database of another program, not a ledger (choose another --output)")
    version = int.from_bytes(header[60:64], "big")
    if version > schema.VERSION:
        raise LedgerFault(
            f"{path}: written by a newer pipeline (schema {version}, this one knows {schema.VERSION}): upgrade pipeline"
        )
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    expected = pages * (65_536 if page == 1 else page)
    wal = path.with_name(path.name + "-wal")
    # While a log is beside it, the file may still be shorter than its header says.
    if size < expected and not (wal.exists() and wal.stat().st_size):
        raise LedgerFault(f"{path}: cut short ({size} of {expected} bytes): {WAY_OUT}")


def _create(folder: Path, host: str) -> None:
    # Made whole under another name, so that `ledger.db` is never an empty file that SQLite would take for a new one.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / f"{FILE}.new"
    for suffix in ("", "-wal", "-shm", "-journal"):
        made.with_name(made.name + suffix).unlink(missing_ok=True)
    with closing(_connect(f"file:{_quoted(made)}?mode=rwc")) as connection:
        schema.MIGRATIONS.apply(Database(connection, execute_plugins=False))
        with connection:
            connection.execute(queries.SET_META, ("host", host))
            if has_evidence(folder):
                connection.execute(queries.SET_META, (_UNREAD, "1"))
    _sync(made)
    made.rename(folder / FILE)
    _sync(folder)


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=_BUSY_MS / 1000, cached_statements=256)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = 1", f"busy_timeout = {_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")
        _tune(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    def connect(mode: str) -> sqlite3.Connection:
        uri = f"file:{_quoted(path)}?{mode}"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=_BUSY_MS / 1000)
        try:
            connection.execute("PRAGMA user_version").fetchone()
            _tune(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        return connect("mode=ro")
    except sqlite3.OperationalError:
        # A read-only folder has no room for the shared-memory file; without a log nothing can change underneath.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return connect("mode=ro&immutable=1")


def _tune(connection: sqlite3.Connection) -> None:
    # No mmap: it saved a tenth of a look-up's time, and every page touched counted as memory of ours (646 MB).
    connection.execute("PRAGMA cache_size = -49152")
    connection.execute("PRAGMA temp_store = MEMORY")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > _CHECK_BYTES and _ended_orderly(connection):
        return  # checking a gigabyte takes seconds: `verify` does it
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise LedgerFault(f"{path}: damaged ({' '.join(said.split())[:200]}): {WAY_OUT}")


def _ended_orderly(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    last = connection.execute(queries.LAST_EPOCH).fetchone() if version else None
    return last is not None and last[0] is not None


def _migrate(connection: sqlite3.Connection, folder: Path, now: Callable[[], datetime]) -> None:
    db = Database(connection, execute_plugins=False)
    applied = {migration.name for migration in schema.MIGRATIONS.applied(db)}
    if unknown := applied - set(schema.NAMES):
        raise LedgerFault(f"{folder / FILE}: written by a newer pipeline ({min(unknown)}): upgrade pipeline")
    if schema.MIGRATIONS.pending(db):
        _back_up(connection, folder, now)
        schema.MIGRATIONS.apply(db)


def _back_up(connection: sqlite3.Connection, folder: Path, now: Callable[[], datetime]) -> None:
    backups = folder / BACKUPS
    backups.mkdir(exist_ok=True)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    target = backups / f"ledger-{now():%Y%m%dT%H%M%S}-schema{version}.db"
    target.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(target),))
    _sync(target)
    _sync(backups)
    for old in sorted(backups.glob("ledger-*.db"))[:-_BACKUPS_KEPT]:
        old.unlink()


def _next_epoch(connection: sqlite3.Connection, host: str, boot_id: str, now: Callable[[], datetime]) -> int:
    with connection:
        epoch = connection.execute(queries.OPEN_EPOCH, (host, boot_id, micros(now()))).lastrowid
    assert epoch is not None
    return epoch


def _up_to_date(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == schema.VERSION:
        return connection
    # An older ledger that nobody has written to since the upgrade: read a migrated copy of it.
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(connection):
        connection.backup(copy)
    _migrate_copy(copy, path)
    return copy


def _migrate_copy(copy: sqlite3.Connection, path: Path) -> None:
    db = Database(copy, execute_plugins=False)
    if {migration.name for migration in schema.MIGRATIONS.applied(db)} - set(schema.NAMES):
        raise LedgerFault(f"{path}: written by a newer pipeline: upgrade pipeline")
    schema.MIGRATIONS.apply(db)


def _quoted(path: Path) -> str:
    # The characters that mean something in an SQLite URI.
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise fault_of(error, str(path)) from error
    except OSError as error:
        raise LedgerFault(
            f"{path}: {error.strerror or error} (is the folder writable, and the disk not full?)"
        ) from error
