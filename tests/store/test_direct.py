"""Large files past the page cache: the same bytes, whatever the file system can or cannot do."""

import errno
import fcntl
import hashlib
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.store import direct
from pipeline.store.direct import BLOCK, LARGE, PIECE

SIZES = [0, 1, BLOCK, LARGE - 1, LARGE, LARGE + 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + BLOCK + 7]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def written(path: Path, data: bytes | bytearray) -> bytes:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        direct.write(fd, data)
    finally:
        os.close(fd)
    return path.read_bytes()


def copied(source: Path, path: Path, seen: Callable[[memoryview], object] | None = None) -> bytes:
    reading, fd = os.open(source, os.O_RDONLY), os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        direct.copy(reading, fd, seen)
    finally:
        os.close(reading)
        os.close(fd)
    return path.read_bytes()


def is_direct(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_what_was_given(tmp_path: Path, size: int) -> None:
    data = noise(size)
    assert written(tmp_path / "a", data) == data
    assert written(tmp_path / "b", bytearray(data)) == data


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_is_the_same_and_shows_every_byte_once(tmp_path: Path, size: int) -> None:
    data, running = noise(size), hashlib.sha256()
    (tmp_path / "source").write_bytes(data)
    assert copied(tmp_path / "source", tmp_path / "copy", running.update) == data
    assert running.digest() == hashlib.sha256(data).digest()
    assert copied(tmp_path / "source", tmp_path / "another") == data


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="this system has no direct access")
@pytest.mark.parametrize("size", [LARGE, PIECE + 5])
def test_all_of_a_large_file_but_its_end_goes_past_the_page_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data, past = noise(size), {"write": 0, "readv": 0}
    if not written(tmp_path / "probe", data) or not _takes_direct(tmp_path / "probe"):
        pytest.skip("this file system has no direct access")
    write, readv = os.write, os.readv

    def noted_write(fd: int, view: memoryview) -> int:
        done = write(fd, view)
        past["write"] += done if is_direct(fd) else 0
        return done

    def noted_readv(fd: int, views: list[memoryview]) -> int:
        done = readv(fd, views)
        past["readv"] += done if is_direct(fd) else 0
        return done

    monkeypatch.setattr(os, "write", noted_write)
    monkeypatch.setattr(os, "readv", noted_readv)
    blocks = size // BLOCK * BLOCK
    assert written(tmp_path / "a", data) == data
    assert past == {"write": blocks, "readv": 0}
    assert copied(tmp_path / "a", tmp_path / "b") == data
    assert past == {"write": 2 * blocks, "readv": blocks}


def _takes_direct(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("size", [0, LARGE, LARGE + 5])
def test_whoever_goes_on_with_a_file_finds_it_as_ever(tmp_path: Path, size: int) -> None:
    data = noise(size)
    reading, fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT), os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    try:
        direct.write(reading, data)
        os.lseek(reading, 0, os.SEEK_SET)
        direct.copy(reading, fd)
        assert not is_direct(reading)
        assert not is_direct(fd)
        assert os.write(fd, b"more") == 4
        assert os.pread(fd, 10, size) == b"more"
    finally:
        os.close(reading)
        os.close(fd)


def test_a_file_that_grows_meanwhile_is_copied_as_long_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, readv = noise(PIECE + 100), os.readv
    (tmp_path / "source").write_bytes(data)

    def growing(fd: int, views: list[memoryview]) -> int:
        with (tmp_path / "source").open("ab") as file:
            file.write(noise(PIECE))
        return readv(fd, views)

    monkeypatch.setattr(os, "readv", growing)
    assert copied(tmp_path / "source", tmp_path / "copy") == data


def test_a_file_system_without_direct_access_is_written_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fcntl.fcntl

    def refuse(fd: int, command: int, given: int = 0) -> int:
        if command == fcntl.F_SETFL and given & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "no such thing here")
        return plain(fd, command, given)

    data = noise(PIECE + 5)
    (tmp_path / "source").write_bytes(data)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert written(tmp_path / "a", data) == data
    assert copied(tmp_path / "source", tmp_path / "b") == data


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="this system has no direct access")
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("refused", ["write", "readv"])
def test_one_that_refuses_in_the_middle_is_served_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, after: int
) -> None:
    plain, calls = getattr(os, refused), 0

    def refuse(fd: int, what: object) -> int:
        nonlocal calls
        calls += 1
        if calls > after and is_direct(fd):
            raise OSError(errno.EINVAL, "not like that")
        return int(plain(fd, what))

    data = noise(2 * PIECE + 5)
    (tmp_path / "source").write_bytes(data)
    monkeypatch.setattr(os, refused, refuse)
    assert written(tmp_path / "a", data) == data
    calls = 0
    assert copied(tmp_path / "source", tmp_path / "b") == data
    assert calls > after


@pytest.mark.parametrize("most", [1000, BLOCK, BLOCK + 1, LARGE])
def test_a_short_write_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    plain = os.write
    data = noise(LARGE + 5000)
    (tmp_path / "source").write_bytes(data)
    monkeypatch.setattr(os, "write", lambda fd, view: plain(fd, view[:most]))
    assert written(tmp_path / "a", data) == data
    assert copied(tmp_path / "source", tmp_path / "b") == data


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_what_the_disk_says_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(_fd: int, _view: object) -> int:
        raise OSError(number, os.strerror(number))

    data = noise(LARGE)
    (tmp_path / "source").write_bytes(data)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=os.strerror(number)):
        written(tmp_path / "a", data)
    with pytest.raises(OSError, match=os.strerror(number)):
        copied(tmp_path / "source", tmp_path / "b")


def test_many_threads_do_not_share_a_place(tmp_path: Path) -> None:
    def one(number: int) -> bool:
        data = noise(PIECE + number)
        same = written(tmp_path / f"{number}", data) == data
        return same and copied(tmp_path / f"{number}", tmp_path / f"{number}.copy") == data

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(12)))


def test_a_child_has_places_of_its_own(tmp_path: Path) -> None:
    data = noise(LARGE)
    assert written(tmp_path / "parent", data) == data
    child = os.fork()
    if not child:
        status = 1
        try:
            status = int(written(tmp_path / "child", data) != data)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert written(tmp_path / "again", data) == data
