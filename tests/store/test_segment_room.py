"""Room in a shared file: taken once, used again, never another's; and what a full or failing disk leaves in it."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import DiskFull, MachineError
from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.store import Spool, durable, segment
from pipeline.store.entries import Entry
from pipeline.store.frames import Kind
from pipeline.store.segment import Segment
from tests.store.spooling import ONE, files, full_disk, next_process, only

TWO = AttemptId("attempt-2")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more room is taken than is asked for, so that its end can be told."""
    monkeypatch.setattr(segment, "_STEP", 0)
    monkeypatch.setattr(segment, "_NEXT", 0)


def size_of(spool: Spool) -> int:
    return sum(path.stat().st_size for path in spool._folder.iterdir())


def is_kept(made: Segment) -> bool:
    """Whether what is promised to open attempts is there, for each of them."""
    promised = sum(entry.left for entry in made.entries.values())
    return made._promised == promised and made._end + promised <= made._room == made.path.stat().st_size


def test_a_hundred_attempts_one_after_the_other_take_the_room_of_one(spool: Spool) -> None:
    sizes = set()
    for number in range(100):
        flight = spool.open(AttemptId(f"attempt-{number}"), reserve=1_000_000)
        flight.sent()
        flight.head(Head(status=200, headers={}, seconds=1))
        flight.write(b"x" * 1000)
        sizes.add(size_of(spool))
        flight.discard()
    assert len(sizes) == 1
    assert len(files(spool._folder)) == 1


def test_attempts_at_once_have_room_each(spool: Spool) -> None:
    for number in range(10):
        spool.open(AttemptId(f"attempt-{number}"), reserve=1_000_000)
    (path,) = spool._folder.iterdir()
    assert path.stat().st_blocks * 512 >= 10_000_000


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["open", "write", "has come", "close", "give back", "trim"]),
            st.integers(0, 5),
            st.sampled_from([1, 400, 9000, 70_000]),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_attempts_do_each_one_keeps_the_room_it_was_promised(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    made = Segment.create(tmp_path_factory.mktemp("room"))
    entries: dict[int, Entry] = {}
    for what, number, size in steps:
        entry = entries.get(number)
        if entry is None:
            entries[number] = made.open(AttemptId(f"attempt-{number}"), size, b"note")
        elif what == "write":
            made.body(entry, bytes(size))
        elif what == "has come":
            made.has_come(entry)
        elif what == "trim":
            made.trim()
        elif what == "close":
            made.close(entries.pop(number))
        elif what == "give back":
            made.give_back(entry)
        assert is_kept(made) or not made._promised


@pytest.mark.usefixtures("no_spare")
def test_an_answer_larger_than_its_room_takes_none_of_anothers(spool: Spool, tmp_path: Path) -> None:
    greedy, modest = spool.open(ONE, reserve=10_000), spool.open(TWO, reserve=10_000)
    with full_disk(size_of(spool)):
        greedy.write(b"x" * 10_000)
        greedy.write(b"y" * 15_000)
        modest.head(Head(status=200, headers={}, seconds=1))
        for _ in range(10):
            modest.write(b"z" * 1000)
        assert greedy.trouble is not None
        assert modest.trouble is None
        assert modest.finish() == b"z" * 10_000
    assert greedy.finish() == b"x" * 10_000 + b"y" * 15_000
    assert [each.size for each in next_process(spool).scan()] == [25_000, 10_000]
    assert [path.name for path in (tmp_path / "spool").glob("*.body")] == ["attempt-1.body"]


@pytest.mark.usefixtures("no_spare")
def test_what_an_answer_that_came_did_not_need_is_the_next_ones(spool: Spool) -> None:
    first = spool.open(ONE, reserve=1_000_000)
    first.write(b"x" * 1000)
    before = size_of(spool)
    assert not spool.is_ready(900_000)
    first.has_come()
    assert spool.is_ready(900_000)
    second = spool.open(TWO, reserve=900_000)
    assert size_of(spool) == before
    with full_disk(before):
        assert first.finish() == b"x" * 1000
        second.write(b"y" * 900_000)
        assert second.trouble is None
        first.discard()


def test_while_there_is_room_opening_asks_the_disk_for_none(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not spool.is_ready(100_000), "there is no file yet"
    spool.open(ONE, reserve=100_000)
    taken: list[int] = []
    monkeypatch.setattr(segment, "reserve_space", lambda fd, start, size: taken.append(size))
    assert spool.is_ready(100_000)
    spool.open(TWO, reserve=100_000)
    assert taken == []
    assert not spool.is_ready(50_000_000)


def test_a_full_file_takes_no_new_attempt_and_goes_with_its_last(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "FULL", 10_000)
    one, two = spool.open(ONE, reserve=100), spool.open(TWO, reserve=100)
    one.write(b"x" * 10_000)
    (first,) = files(spool._folder)
    assert not spool.is_ready(100)
    three = spool.open(AttemptId("attempt-3"), reserve=100)
    two.write(b"still the first file's")
    assert len(files(spool._folder)) == 2
    one.discard()
    assert next_process(spool).reopen(TWO).fragment() == b"still the first file's"
    two.discard()
    (second,) = files(spool._folder)
    assert second != first
    three.discard()
    assert files(spool._folder) == [second], "it still takes attempts"
    spool.close()
    assert files(spool._folder) == []


@pytest.mark.parametrize("short", [0, 1, 15, 16, 20, 115])
def test_a_record_for_which_there_was_no_room_harms_none_before_and_makes_way_for_the_next(
    tmp_path: Path, short: int
) -> None:
    made = Segment.create(tmp_path)
    one, two = made.open(ONE, 0, b"note"), made.open(TWO, 0, b"")
    made.body(one, b"before")
    with full_disk(made._end + short), pytest.raises(OSError, match="large"):
        made.body(two, b"y" * 100)
    for _ in range(2):
        again = Segment.load(made.path)
        assert again is not None
        first, second = again.entries.values()
        assert (again.read(first.body), again.read([first.intent])) == (b"before", b"note")
        assert again.read(second.body) == b""
    made.sent(two)
    made.body(one, b" and after")
    again = Segment.load(made.path)
    assert again is not None
    first, second = again.entries.values()
    assert (again.read(first.body), second.sent, second.size) == (b"before and after", True, 0)


class Killed(BaseException):
    """The process ends here."""


def test_a_record_cut_by_a_kill_does_not_end_in_bytes_of_one_for_which_there_was_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Segment.create(tmp_path)
    one, two = made.open(ONE, 0, b""), made.open(TWO, 0, b"")
    with full_disk(made._end + 90), pytest.raises(OSError, match="large"):
        made.body(one, b"1" * 100)

    def write_some(fd: int, pieces: list[bytes], at: int) -> int:
        os.pwrite(fd, b"".join(pieces)[:50], at)
        raise Killed

    monkeypatch.setattr(os, "pwritev", write_some)
    with pytest.raises(Killed):
        made.body(two, b"2" * 100)
    again = Segment.load(made.path)
    assert again is not None
    first, second = again.entries.values()
    assert (again.read(first.body), again.read(second.body)) == (b"", b"2" * 34)


def test_without_room_for_its_note_an_attempt_is_not_opened(spool: Spool) -> None:
    for largest in (0, 10, 16, 30):
        with full_disk(largest), pytest.raises(DiskFull):
            spool.open(ONE)
        assert files(spool._folder) == []
    spool.open(ONE).sent()
    with full_disk(size_of(spool) + 5), pytest.raises(DiskFull):
        spool.open(AttemptId("x" * 100))
    assert [each.attempt_id for each in next_process(spool).scan()] == [ONE]


def test_a_mark_for_which_there_is_no_room_is_told_and_not_made(spool: Spool) -> None:
    flight = spool.open(ONE)
    with full_disk(size_of(spool) + 15), pytest.raises(DiskFull, match="mark"):
        flight.sent()
    assert not only(spool).sent
    assert not only(next_process(spool)).sent


def test_without_room_for_its_end_an_attempt_is_closed_all_the_same(spool: Spool) -> None:
    flight, other = spool.open(ONE), spool.open(TWO)
    with full_disk(size_of(spool)):
        flight.discard()
    assert only(spool).attempt_id == TWO
    assert [each.attempt_id for each in next_process(spool).scan()] == [ONE, TWO], "the ledger knows that it is settled"
    other.discard()
    spool.close()
    assert files(spool._folder) == []


@pytest.mark.usefixtures("no_spare")
def test_room_is_given_back_as_far_as_it_lies_at_the_end(tmp_path: Path) -> None:
    made = Segment.create(tmp_path)
    one, two = made.open(ONE, 100_000, b""), made.open(TWO, 50_000, b"")
    made.body(two, b"z" * 10)
    made.body(one, b"x" * 40_000)
    made.body(one, b"y" * 40_000)
    made.give_back(one)
    assert is_kept(made)
    assert made._end + two.left == made.path.stat().st_size
    assert (one.body, one.size, one.left) == ([], 0, 0)
    made.body(two, b"z" * 49_000)
    again = Segment.load(made.path)
    assert again is not None
    first, second = again.entries.values()
    assert (first.size, again.read(second.body)) == (0, b"z" * 49_010)


def test_a_body_that_gave_its_room_back_is_durable_only_once_it_is_written_anew(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight = spool.open(ONE, reserve=1000)
    flight.write(b"paid for")
    real = Segment._append

    def append(self: Segment, kind: Kind, number: int, data: bytes) -> int:
        if kind is Kind.WHOLE:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, kind, number, data)

    with monkeypatch.context() as full:
        full.setattr(Segment, "_append", append)
        with pytest.raises(DiskFull):
            flight.finish()
    assert flight.finish() == b"paid for"
    assert only(next_process(spool)).whole
    assert next_process(spool).reopen(ONE).fragment() == b"paid for"


def test_what_lies_before_another_attempts_record_stays(tmp_path: Path) -> None:
    made = Segment.create(tmp_path)
    one, two = made.open(ONE, 0, b""), made.open(TWO, 0, b"")
    made.body(one, b"x" * 40_000)
    made.sent(two)
    made.give_back(one)
    assert made.read(one.body) == b"x" * 40_000
    assert made.path.stat().st_size == made._end


def test_of_two_syncs_at_once_none_is_believed_after_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells a failed write to one of those who sync a descriptor, and to the others that all is well."""
    begun, told, ends = threading.Event(), threading.Event(), []

    def sync(fd: int) -> None:
        if not begun.is_set():
            begun.set()
            told.wait(0.3)
            raise OSError(5, "Input/output error")
        told.set()

    monkeypatch.setattr(durable, "sync", sync)
    made = Segment.create(tmp_path)
    entries = [made.open(each, 0, b"") for each in (ONE, TWO)]

    def seal(entry: Entry) -> None:
        try:
            made.seal(entry)
        except OSError as error:
            ends.append(error.errno)

    threads = [threading.Thread(target=seal, args=(entry,)) for entry in entries]
    threads[0].start()
    begun.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    assert ends == [5, 5]
    assert made.is_full
    assert not any(entry.whole for entry in entries)


_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
_SCAN = """
import sys; from pathlib import Path; from pipeline.store import Spool
spool = Spool(Path(sys.argv[1]), Path(sys.argv[1]))
(found,) = spool.scan()
print(found.attempt_id, found.sent, spool.reopen(found.attempt_id).fragment().decode())
try:
    spool.reopen(found.attempt_id).discard()
except Exception as error:
    print(type(error).__name__)
"""


def test_a_folder_that_cannot_be_written_can_be_looked_at(spool: Spool) -> None:
    flight = spool.open(ONE, reserve=100)
    flight.sent()
    flight.write(b"paid")
    command = ["unshare", "-Urm", "sh", "-c", _READ_ONLY, str(spool._folder)]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts of one's own are allowed here")
    command += [sys.executable, "-c", _SCAN, str(spool._folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == [f"{ONE} True paid", MachineError.__name__]
    assert next_process(spool).reopen(ONE).fragment() == b"paid"


@pytest.mark.parametrize(
    ("free", "reserve", "most"),
    [
        pytest.param(10**6, 100_000, 120_000, id="little"),
        pytest.param(3 * 10**8, 100_000, 5_000_000, id="enough for a step"),
        pytest.param(3 * 10**8, 10**7, 15_000_000, id="not enough for the next ones"),
        pytest.param(10**12, 10**7, 28_000_000, id="plenty, and a bound"),
    ],
)
def test_room_is_spared_only_where_the_disk_has_plenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, reserve: int, most: int
) -> None:
    made = Segment.create(tmp_path)
    status = os.statvfs_result((4096, 4096, 0, 0, free // 4096, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: status)
    made.open(ONE, reserve, b"")
    taken = made.path.stat().st_size
    assert reserve < taken <= most
    assert taken - reserve < 100_000 or taken - reserve <= free / 64


def test_with_plenty_the_next_ones_find_their_room_taken(spool: Spool) -> None:
    spool.open(ONE, reserve=1_000_000)
    assert spool.is_ready(1_000_000)
    sizes = {size_of(spool)}
    for number in range(4):
        spool.open(AttemptId(f"attempt-{number + 2}"), reserve=1_000_000)
        sizes.add(size_of(spool))
    assert len(sizes) == 1


def test_a_file_that_takes_no_more_attempts_gives_back_what_was_taken_for_them(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "FULL", 10_000)
    flight = spool.open(ONE, reserve=100_000)
    flight.sent()
    flight.head(Head(status=200, headers={}, seconds=1))
    flight.write(b"x" * 20_000)
    (first,) = spool._folder.glob("*.flights")
    before = first.stat().st_size
    spool.open(TWO, reserve=100_000)
    assert 100_000 < first.stat().st_size < before - 1_000_000
    flight.write(b"y" * 80_000)
    assert flight.finish() == b"x" * 20_000 + b"y" * 80_000
    assert next_process(spool).reopen(ONE).fragment() == b"x" * 20_000 + b"y" * 80_000
