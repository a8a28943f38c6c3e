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


def test_a_large_file_leaves_the_page_cache_alone(tmp_path: Path) -> None:
    path, copy = tmp_path / "large", tmp_path / "copy"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | getattr(os, "O_DIRECT", 0))
    except OSError:
        pytest.skip("this file system has no direct writes")
    finally:
        os.close(fd)
    path.unlink()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    direct.write(fd, noise(LARGE))
    os.close(fd)
    reading, fd = os.open(path, os.O_RDONLY), os.open(copy, os.O_RDWR | os.O_CREAT)
    direct.copy(reading, fd)
    os.close(reading)
    os.close(fd)
    if _in_memory(path) is None:
        pytest.skip("this file system does not say what it has in memory")
    assert _in_memory(path) is False
    assert _in_memory(copy) is False


def _in_memory(path: Path) -> bool | None:
    """Whether the first bytes can be had without asking the disk; None where nobody says so."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(BLOCK)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(fd)


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
