"""Names of files that are being written: one form in every room, so that one look tells what a dead process left."""

import itertools
import os
import re
import secrets
from typing import Final

_NAME: Final = re.compile(r"\.part-[0-9a-f]{16}")


class _Numbers:
    """Numbers from a place that was drawn: a process that was forked draws its own."""

    def __init__(self) -> None:
        self._draw()
        os.register_at_fork(after_in_child=self._draw)

    def _draw(self) -> None:
        self._next = itertools.count(secrets.randbits(63))

    def next(self) -> int:
        """The next number."""
        return next(self._next)


_NUMBERS: Final = _Numbers()


def temporary_name() -> str:
    """A name that nobody else has, hidden, that `is_temporary` knows."""
    return f".part-{_NUMBERS.next():016x}"


def is_temporary(name: str) -> bool:
    """Whether a file's name is what `temporary_name` gives; a person's own ``.part-one`` is not."""
    return _NAME.fullmatch(name) is not None
