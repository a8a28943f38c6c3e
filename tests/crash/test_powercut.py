"""The short form of the power cuts, and the model of a disk they are drawn from."""

import random
from pathlib import Path

import pytest

from tests.crash.powercut import Call, Disk, can_trace, replay

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
