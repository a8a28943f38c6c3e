"""The short form of the power cuts, and the model of a disk they are drawn from."""

import random
from pathlib import Path

import pytest

from pipeline.domain.record import AttemptId
from pipeline.store.segment import Segment
from tests.crash.powercut import Call, Disk, calls, can_trace, replay
from tests.crash.told import Told

traces = pytest.mark.skipif(not can_trace(), reason="strace is not here or may not trace")


@traces
def test_no_power_cut_takes_what_was_told_or_makes_anything_be_bought_again(tmp_path: Path) -> None:
    figures = replay(12, 3, tmp_path)
    assert figures.faults == []
    assert figures.images == 12


ROOT = Path("/disk")


def call(name: str, *texts: str, path: str = "/disk", rest: str = "", result: int = 0) -> Call:
    return Call(name, (path,), tuple(text.encode() for text in texts), rest, result)


MADE = (
    call("openat", "a", rest="O_WRONLY|O_CREAT"),
    call("write", "hello", path="/disk/a", result=5),
)
SYNCED = (*MADE, call("fsync", path="/disk/a"))
NAMED = (*SYNCED, call("fsync"))
RENAMED = (*NAMED, call("renameat", "a", "b"))
MOVED = (*NAMED, call("mkdir", "sub"), call("fsync"), call("renameat", "a", "sub/b"))


def outcomes(tmp_path: Path, calls: tuple[Call, ...]) -> set[tuple[tuple[str, bytes], ...]]:
    """Everything a power cut may leave, as far as two hundred of them show."""
    disk = Disk(ROOT)
    for each in calls:
        assert disk.feed(each)
    seen = set()
    for seed in range(200):
        into = tmp_path / str(seed)
        disk.crash(random.Random(seed), into)
        files = (path for path in sorted(into.rglob("*")) if path.is_file())
        seen.add(tuple((str(path.relative_to(into)), path.read_bytes()) for path in files))
    return seen


def test_what_was_never_synced_may_be_gone_or_empty(tmp_path: Path) -> None:
    assert outcomes(tmp_path, MADE) == {(), (("a", b""),), (("a", b"hello"),)}


def test_a_synced_file_may_still_lack_its_name(tmp_path: Path) -> None:
    assert outcomes(tmp_path, SYNCED) == {(), (("a", b"hello"),)}


def test_a_name_in_a_synced_folder_stays(tmp_path: Path) -> None:
    assert outcomes(tmp_path, NAMED) == {(("a", b"hello"),)}


def test_a_rename_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    assert outcomes(tmp_path, RENAMED) == {(("a", b"hello"),), (("b", b"hello"),)}


def test_a_file_that_moves_to_another_folder_is_never_in_neither(tmp_path: Path) -> None:
    both = (("a", b"hello"), ("sub/b", b"hello"))
    assert outcomes(tmp_path, MOVED) == {both, both[:1], both[1:]}


def test_data_tears_at_sectors(tmp_path: Path) -> None:
    big = "x" * 512 + "y" * 512
    seen = outcomes(tmp_path, (MADE[0], call("fsync"), call("write", big, path="/disk/a", result=1024)))
    sizes = {len(files[0][1]) for files in seen}
    assert sizes == {0, 512, 1024}
    assert (("a", b"\0" * 512 + b"y" * 512),) in seen


def test_a_record_tears_where_the_sectors_of_the_disk_end(tmp_path: Path) -> None:
    start = call("write", "x" * 500, path="/disk/a", result=500)
    record = call("pwritev2", "y" * 16, "z" * 700, path="/disk/a", rest="16 700 2 500 0", result=716)
    seen = outcomes(tmp_path, (MADE[0], start, call("fsync", path="/disk/a"), call("fsync"), record))
    whole = b"x" * 500 + b"y" * 16 + b"z" * 700
    assert {len(files[0][1]) for files in seen} == {500, 512, 1024, 1216}
    for ((_, data),) in seen:
        sectors = [(data[at : at + 512], whole[at : at + 512]) for at in range(0, len(data), 512)]
        assert all(got == meant or not got.strip(b"x\0") for got, meant in sectors)


def test_room_that_was_taken_at_the_end_of_a_file_reads_as_zeros(tmp_path: Path) -> None:
    room = call("fallocate", path="/disk/a", rest="0 5 1000")
    written = call("pwrite64", "there", path="/disk/a", rest="5 900", result=5)
    seen = outcomes(tmp_path, (*NAMED, room, written, call("fsync", path="/disk/a")))
    assert seen == {(("a", b"hello" + bytes(895) + b"there" + bytes(100)),)}


LOG = """\
7 fallocate(5<\\x2f\\x61>, 0, 16, 4096) = 0
7 pwritev2(5<\\x2f\\x61>, [{iov_base="\\x61\\x22", iov_len=2}, {iov_base="\\x7d\\x32", iov_len=2}], 2, 17, 0) = 4
7 pwritev(5<\\x2f\\x61>, [{iov_base="\\x61", iov_len=1}, {iov_base="\\x7d\\x32", iov_len=2}], 2, 33) = 2
8 pwrite64(5<\\x2f\\x61>, "\\x7a",  <unfinished ...>
7 pwrite64(5<\\x2f\\x61>, "\\x7a", 1, 16) = -1 ENOSPC (No space left on device)
8 <... pwrite64 resumed>1, 16) = 1
"""


def test_writes_of_several_pieces_are_read_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    room, both, short, plain = calls(tmp_path / "log")
    assert (room.name, room.numbers[-2:]) == ("fallocate", [16, 4096])
    assert (both.paths, both.written, both.offset) == (("/a",), b'a"}2', 17)
    assert (short.written, short.offset) == (b"a}", 33)
    assert (plain.written, plain.offset) == (b"z", 16)


def test_what_was_sent_and_answered_is_read_from_records(tmp_path: Path) -> None:
    told = Told()
    files = [Segment.create(tmp_path), Segment.create(tmp_path)]
    for file, names in zip(files, ("ab", "cd"), strict=True):
        one, two = (file.open(AttemptId(name), 0, b"to buy\n") for name in names)
        file.sent(one)
        file.sent(two)
        file.head(two, b"{}")
        file.body(one, b"PF not a record of ours")
        at = 0
        ends = [16, *(at + length for at, length in (one.intent, two.intent))]
        data = file.path.read_bytes()
        ends += [ends[-1] + 16, ends[-1] + 32, ends[-1] + 50, len(data)]
        for end in ends:
            told.feed(str(file.path), data[at:end])
            at = end
    assert (told.sent, told.answered) == ({"a", "b", "c", "d"}, {"b", "d"})
    told.feed("/x/night.ndjson", b'{"event": "done", "attempt_id": "b"}\n{"event": "do')
    assert told.done == {"b"}
