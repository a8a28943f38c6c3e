"""One purchase as a process of its own, to be killed: ``python -m tests.store.child FOLDER WHAT [LARGEST]``.

It reserves, marks, receives, finishes, stores, writes the receipt, discards and places, in the order of the program
for an answer that something must be awaited for, and prints ``reserved``, ``received`` and ``saved`` when it got that
far: the witness outside what it writes. Without arguments it serves such jobs from standard input.
WHAT is ``purchase``, ``quarantine`` for an answer of no use, or ``input`` for making an input ready.
LARGEST: bytes a file may have.
"""

import importlib
import json
import os
import resource
import sys
import traceback
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from pipeline.domain import failpoint
from pipeline.domain.digest import digest_of
from pipeline.domain.errors import MachineError
from pipeline.domain.record import PAID
from pipeline.domain.request import Head
from pipeline.domain.step import AssetName
from pipeline.inputs import InputDesk
from pipeline.store import FileStore, Places, Receipts, Spool, SpoolFlight, Tree
from tests.store import records


def picture() -> bytes:
    """The picture that is bought: whole by its structure, and large enough to be cut."""
    return (Path(__file__).resolve().parents[2] / "jobs" / "photos" / "cup.jpg").read_bytes()


def tell(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def receive(spool: Spool) -> SpoolFlight:
    body = picture()
    flight = spool.open(records.INTENT.attempt_id, reserve=len(body) * 2, intent=records.INTENT)
    tell("reserved")
    flight.sent()
    flight.head(Head(status=200, headers={"x-request-id": "req_1", "set-cookie": "secret"}, seconds=0.5))
    for at in range(0, len(body), 8192):
        flight.write(memoryview(body)[at : at + 8192])
    tell("received")
    return flight


def settle(places: Places, flight: SpoolFlight) -> None:
    """The code of a live settlement and of a recovery alike."""
    try:
        body = flight.finish()
    except MachineError:
        body = flight.fragment()
        if not body:
            raise
    store = FileStore(places.images)
    image = store.put(body)
    Receipts(places.receipts).write(records.INTENT, records.SETTLEMENT)
    tell("saved")
    flight.keep_picture(0, b"fetched")
    flight.discard()
    Tree(places.output, store).place(image, "job/hero/SKU-1", space=PAID, asset=AssetName("hero/SKU-1"))


def prepare(places: Places) -> None:
    source = str(Path(__file__).resolve().parents[2] / "jobs" / "photos" / "cup.jpg")
    InputDesk(places.inputs).prepare(source, "image", digest_of(picture()))


def main(folder: str, what: str, largest: str = "") -> int:
    places = Places(output=Path(folder))
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    try:
        if what == "input":
            prepare(places)
            return 0
        with closing(Spool(places.spool, places.quarantine)) as spool, receive(spool) as flight:
            if what == "quarantine":
                flight.quarantine("no picture")
            else:
                settle(places, flight)
    except MachineError as error:
        tell(f"{type(error).__name__}: {error}")
        return 1
    return 0


def serve() -> None:
    """Forks a purchase for each line of standard input, so that a hundred of them import everything once."""
    for line in sys.stdin:
        job: dict[str, str] = json.loads(line)
        child = os.fork()
        if not child:
            _work(job)
        _, status = os.waitpid(child, 0)
        tell(str(os.waitstatus_to_exitcode(status)))


def _work(job: dict[str, str]) -> NoReturn:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ[failpoint.VARIABLE] = job["failpoint"]
    importlib.reload(failpoint)  # the environment this process started with
    code = 1
    try:
        code = main(job["folder"], job["what"], job["largest"])
    except BaseException:  # noqa: BLE001 - whatever it was is told on standard error and ends this process
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main(*sys.argv[1:]))
    serve()
