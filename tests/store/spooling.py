"""What the tests of the spool share: an attempt, the next process on the same folders, a disk that is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.domain.record import AttemptId
from pipeline.store import Evidence, Spool

ONE = AttemptId("attempt-1")


def only(spool: Spool) -> Evidence:
    (evidence,) = spool.scan()
    return evidence


def next_process(spool: Spool) -> Spool:
    """A spool on the same folders that knows only what is on disk."""
    return Spool(spool._folder, spool._quarantine, secrets=spool._secrets)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def full_disk(largest: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk is to a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
