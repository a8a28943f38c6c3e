"""Folders that are made durable together."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.domain.errors import MachineError
from pipeline.store import Unsynced, durable


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def sync(fd: int) -> None:
        names.append(Path(f"/proc/self/fd/{fd}").resolve().name)

    monkeypatch.setattr(durable, "sync_folder", sync)
    return names


@contextmanager
def few_descriptors(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def add(folders: Unsynced, path: Path) -> None:
    path.mkdir(exist_ok=True)
    with durable.folder(path) as fd:
        folders.add(fd)


def test_each_folder_is_synced_once_and_only_when_told(tmp_path: Path, synced: list[str]) -> None:
    folders = Unsynced()
    for name in "abacab":
        add(folders, tmp_path / name)
    assert synced == []
    folders.sync()
    assert synced == ["a", "b", "c"]
    folders.sync()
    assert synced == ["a", "b", "c"]


def test_of_many_folders_none_is_left_out_and_few_descriptors_are_taken(tmp_path: Path, synced: list[str]) -> None:
    folders, names = Unsynced(), [str(number) for number in range(500)]
    with few_descriptors(descriptors() + Unsynced.MOST + 20):
        for name in names:
            add(folders, tmp_path / name)
        add(folders, tmp_path / names[0])
        add(folders, tmp_path / names[-1])
        folders.sync()
    assert set(synced) == set(names)
    assert synced.count(names[-1]) == 2, "it has a name more than when it was synced at once"


def test_a_sync_that_fails_is_told_and_gives_every_descriptor_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    folders, before = Unsynced(), descriptors()
    for name in "abc":
        add(folders, tmp_path / name)
    monkeypatch.setattr(durable, "sync_folder", broken)
    with pytest.raises(MachineError, match="durable"):
        folders.sync()
    assert descriptors() == before
