"""Named points of the save path at which a test may kill the process or make the disk fail; inert otherwise.

Armed by ``PIPELINE_FAILPOINT=name:k:action`` in the environment the process started with: the k-th time the point is
reached (``k+``: from the k-th time on) the action happens: ``kill`` (SIGKILL), ``exit`` (leave without clean-up),
``enospc`` or ``eio`` (the OSError a disk would raise). This is the one place below the command line that looks at the
environment, because a crash test must reach code that is handed no settings, in a process it did not write.
"""

import errno
import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Final

FAILPOINTS: Final[Mapping[str, str]] = {
    "attempt.intent": "the `sent` row is durable, nothing has left",
    "attempt.answered": "the whole answer came, its body is not yet durable",
    "attempt.settled": "the ledger has the settlement, the spool is still there",
    "spool.reserve": "before room for an answer is reserved",
    "spool.intent": "before the intent is noted, there is room for its answer",
    "spool.sent": "before the marker that a request is about to leave",
    "spool.head": "before status and headers are written",
    "spool.write": "before a piece of a body is written",
    "spool.sync": "the body is said to be whole, not yet synced",
    "spool.finished": "the body is durable",
    "spool.picture": "before a fetched picture is kept beside its answer",
    "spool.discard": "before what came of a settled attempt is removed",
    "spool.discarded": "the files of a settled attempt are removed, its records stand",
    "image.write": "before an image's temporary file is written",
    "image.sync": "an image's temporary file is written, not yet synced",
    "image.link": "an image is synced, without its name",
    "image.linked": "an image has its name, its folder is not synced",
    "image.kept": "an image is durable",
    "receipt.write": "before a receipt's temporary file is written",
    "receipt.rename": "a receipt is synced, without its name",
    "receipt.renamed": "a receipt has its name, its folder is not synced",
    "receipt.written": "a receipt is durable",
    "decision.written": "a person's decision is durable, the ledger does not have it",
    "place.write": "before a copy for the output tree is written",
    "place.rename": "a copy is synced, without its name",
    "place.renamed": "a copy has its name, its folder is not synced",
    "place.placed": "a copy is durable in the output tree",
    "input.copy": "before the private copy of an input is made",
    "input.rename": "the private copy of an input is checked, without its name",
}
"""Every failpoint of the program and what has happened when it is reached."""

VARIABLE: Final = "PIPELINE_FAILPOINT"


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit() -> None:
    os._exit(70)


def _enospc() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _eio() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


_ACTIONS: Final[Mapping[str, Callable[[], None]]] = {"kill": _kill, "exit": _exit, "enospc": _enospc, "eio": _eio}


class _Armed:
    """One armed point: counts its hits and acts on the right one."""

    __slots__ = ("_act", "_hits", "_lock", "_onwards", "_when", "name")

    def __init__(self, text: str) -> None:
        name, _, rest = text.partition(":")
        when, _, action = rest.partition(":")
        if name not in FAILPOINTS or action not in _ACTIONS or not when.removesuffix("+").isdecimal():
            raise ValueError(f"{VARIABLE}: {text!r} is not name:k:action with a known name and action")
        self.name = name
        self._when = int(when.removesuffix("+"))
        self._onwards = when.endswith("+")
        self._act = _ACTIONS[action]
        self._hits = 0
        self._lock = threading.Lock()

    def hit(self) -> None:
        """Counts; acts when it is time."""
        with self._lock:
            self._hits += 1
            due = self._hits == self._when or (self._onwards and self._hits > self._when)
        if due:
            self._act()


_ARMED: Final = _Armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def failpoint(name: str) -> None:
    """Does nothing, unless this point was armed when the process started.

    Raises OSError (``enospc``, ``eio``) or does not return (``kill``, ``exit``) when it was.
    """
    if _ARMED is not None and _ARMED.name == name:
        _ARMED.hit()
