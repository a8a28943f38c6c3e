"""Opening a ledger: what is refused and left as it is, what is made, checked, backed up and migrated."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.domain.errors import LedgerFault
from pipeline.domain.record import PAID
from pipeline.ledger import Fenced, open_ledger
from pipeline.ledger.schema import APPLICATION_ID, VERSION
from tests.ledger.making import MANIFEST, RUN, START, Ticking, asset, begun, done, intent, key, opened, picture

STORED = Path(__file__).parent / "data" / "schema-1.sql"


def filled(folder: Path) -> Path:
    with begun(folder) as ledger:
        for number in range(60):
            ledger.open_attempt(intent(number, (number,)))
            ledger.settle(done(number, f"picture {number}"))
    return folder / "ledger.db"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def stub(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def text(path: Path) -> None:
    path.write_text("not a database, " * 400)


def scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8_000 : len(data) - 4_000] = b"\xa5" * (len(data) - 12_000)
    path.write_bytes(data)


def another(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def newer_by_name(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('pipeline', '9999_later', '')"
        )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "cut short.*verify --rebuild"),
        (empty, r"cut short \(0 bytes\).*verify --rebuild"),
        (stub, "cut short.*verify --rebuild"),
        (text, "not an SQLite file.*verify --rebuild"),
        (scribbled, "damaged.*verify --rebuild"),
        (another, "another program"),
        (newer, "newer pipeline.*upgrade"),
        (newer_by_name, "newer pipeline.*upgrade"),
    ],
)
def test_what_is_no_whole_ledger_of_ours_is_refused_in_one_line_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    path = filled(tmp_path)
    damage(path)
    before = path.read_bytes()
    for write in (True, False) if damage not in (scribbled, newer_by_name) else (True,):
        with pytest.raises(LedgerFault, match=said) as caught:
            opened(tmp_path, write=write)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before


def test_damage_a_reader_meets_is_told_with_the_way_out(tmp_path: Path) -> None:
    scribbled(filled(tmp_path))

    def read() -> None:
        with opened(tmp_path, write=False) as reader:
            list(reader.pictures.every())

    with pytest.raises(LedgerFault, match="verify --rebuild"):
        read()


def test_a_new_ledger_says_so_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / ".pipeline"
    with opened(folder) as first:
        assert (first.is_new, first.is_unread, first.epoch) == (True, False, 1)
    with opened(folder) as second:
        assert (second.is_new, second.is_unread, second.epoch) == (False, False, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["ledger.db"]
    assert folder.stat().st_mode & 0o777 == 0o700, "prompts are nobody else's"


@pytest.mark.parametrize("evidence", ["receipts/202611/attempt-1.json", "images/ab/abcd.png"])
def test_a_lost_ledger_beside_its_pictures_is_noticed_until_it_is_rebuilt(tmp_path: Path, evidence: str) -> None:
    file = tmp_path / evidence
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    with opened(tmp_path, write=False) as reader:
        assert (reader.is_new, reader.is_unread) == (True, True)
    for is_new in (True, False):
        with opened(tmp_path) as ledger:
            assert (ledger.is_new, ledger.is_unread) == (is_new, True)
    with opened(tmp_path) as ledger:
        ledger.mark_read()
    with opened(tmp_path) as ledger:
        assert not ledger.is_unread


def test_reading_where_nothing_is_yet_makes_no_file(tmp_path: Path) -> None:
    with opened(tmp_path / ".pipeline", write=False) as reader:
        assert (reader.is_new, reader.epoch) == (True, None)
        assert reader.slots(PAID, [key(1)]) == {}
        assert (list(reader.assets(MANIFEST)), reader.runs(), reader.unknown()) == ([], (), ())
    assert list(tmp_path.iterdir()) == []


def test_a_half_made_ledger_of_a_killed_start_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.new").write_bytes(b"SQLite format 3\x00 half")
    with opened(tmp_path) as ledger:
        assert ledger.is_new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.db"]


def test_a_ledger_in_a_folder_nobody_may_write_can_be_read(tmp_path: Path) -> None:
    filled(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with opened(tmp_path, write=False) as reader:
            assert reader.slots(PAID, [key(1)])[key(1)].image == picture("picture 1")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_with_odd_characters_holds_a_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "100 % ready? #1 ü" / ".pipeline"
    begun(folder).close()
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]
    with opened(folder, write=False) as reader:
        assert reader.run(RUN) is not None


def test_whoever_opens_last_writes_and_the_one_before_fails_before_it_writes(tmp_path: Path) -> None:
    older = begun(tmp_path)
    older.open_attempt(intent(1))
    newer_one = opened(tmp_path)
    writes: tuple[Callable[[], None], ...] = (
        lambda: older.settle(done(1, "one")),
        lambda: older.open_attempt(intent(2, (2,))),
        lambda: older.record_assets([asset(1)]),
        lambda: older.end_run(RUN, exit=0),
        lambda: older.learn_sketch("https://x"),
    )
    for write in writes:
        with pytest.raises(Fenced, match=r"epoch 2.*epoch 1"):
            write()
    (left,) = newer_one.recover()
    newer_one.settle(done(1, "one"))
    assert left == intent(1)
    assert newer_one.slots(PAID, [key(1)])[key(1)].image == picture("one")
    older.close()  # its end must not look like the other's
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT closed_at FROM epochs ORDER BY epoch").fetchall() == [(None,), (None,)]
    newer_one.close()


def test_an_older_ledger_is_backed_up_before_it_is_migrated_and_readable_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE before (said)")
        connection.execute("INSERT INTO before VALUES ('kept')")
        connection.commit()
    with opened(tmp_path, write=False) as reader:
        assert reader.runs() == ()  # a migrated copy; the file is as it was
    assert not (tmp_path / "backups").exists()
    opened(tmp_path).close()
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.name == f"ledger-{START:%Y%m%dT%H%M}01-schema0.db"
    for file, version in ((backup, 0), (path, VERSION)):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)
            assert connection.execute("SELECT said FROM before").fetchone() == ("kept",)


def test_only_the_latest_backups_are_kept(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    for day in range(10, 20):
        (backups / f"ledger-202610{day}T000000-schema0.db").touch()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE before (said)")
    opened(tmp_path).close()
    kept = sorted(path.name for path in backups.iterdir())
    assert len(kept) == 7
    assert kept[-1].startswith("ledger-20261121")


def schema_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name").fetchall()
    return [sql for (sql,) in found]


def test_a_stored_ledger_of_schema_1_opens_with_everything_it_knew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(STORED.read_text(encoding="utf-8"))
    with opened(tmp_path) as ledger:
        (left,) = ledger.recover()
        assert (left.attempt_id, left.slots[0].key) == ("attempt-2", key(2))
        assert ledger.slots(PAID, [key(1)])[key(1)].image == picture("one")
        assert ledger.money_since().spent == 70_001
        assert ledger.asset(MANIFEST, asset(1).asset) == asset(1, text="one")


def test_the_first_schema_is_what_it_was_when_it_was_stored(tmp_path: Path) -> None:
    stored = tmp_path / "stored.db"
    with closing(sqlite3.connect(stored)) as connection:
        connection.executescript(STORED.read_text(encoding="utf-8"))
    opened(tmp_path).close()
    if VERSION == 1:
        assert schema_of(tmp_path / "ledger.db") == schema_of(stored)


def test_a_ledger_open_elsewhere_for_reading_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with closing(sqlite3.connect(f"file:{tmp_path / 'ledger.db'}?mode=ro", uri=True)) as left_open:
        cursor = left_open.execute("SELECT * FROM runs")
        cursor.fetchone()
        with opened(tmp_path) as ledger:
            ledger.open_attempt(intent(1))


def test_times_without_a_zone_are_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zone"):
        open_ledger(tmp_path, write=True, host="", boot_id="", now=Ticking(datetime(2026, 1, 1)))  # noqa: DTZ001 - meant
