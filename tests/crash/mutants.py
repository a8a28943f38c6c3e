"""Planted bugs: small changes of the protocol, each of which one of our own instruments must find.

``python -m tests.crash.mutants`` copies the package, plants each bug in turn, and says which instrument found it
(`make crash`); the suite plants two and checks that all of them can be planted.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.crash.campaign import campaign, cases
from tests.crash.powercut import replay
from tests.crash.program import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug: what it breaks, what is replaced by what in which file, and the instrument that must find it."""

    breaks: str
    changes: tuple[tuple[str, str, str], ...]
    found_by: Literal["kills", "power cuts"]


SETTLE = "        await self.committer.do(lambda ledger: ledger.settle(settlement))\n"
RECEIPT = "            self.receipts.write(intent, settlement)\n"
RECEIPTS = "                    self._receipts.write(turn.call.intent, settlement, folders.add)\n"
RECEIPT_LATER = "        await self.blocking(lambda: self._write_receipt(intent, settlement))\n"

MUTANTS: Mapping[str, Mutant] = {
    "intent after the answer": Mutant(
        breaks="the sent row is written before the request leaves",
        changes=(
            ("purchase/recorded.py", "            await self.committer.do(open_attempt)\n", "            pass\n"),
            (
                "purchase/recorded.py",
                SETTLE,
                "        await self.committer.do(lambda ledger: ledger.open_attempt(intent, again=True))\n" + SETTLE,
            ),
        ),
        found_by="kills",
    ),
    "spool dropped before the receipt": Mutant(
        breaks="the spool goes only when the ledger has the settlement",
        changes=(
            ("purchase/together.py", RECEIPTS, "                    turn.call.flight.spooled.discard()\n" + RECEIPTS),
            (
                "purchase/recorded.py",
                RECEIPT_LATER,
                "        await self.blocking(flight.spooled.discard)\n" + RECEIPT_LATER,
            ),
        ),
        found_by="kills",
    ),
    "receipt after the ledger": Mutant(
        breaks="what the ledger says can be proved without it",
        changes=(
            ("purchase/together.py", RECEIPTS, "                    pass\n"),
            ("purchase/recorded.py", RECEIPT, "            pass\n"),
            (
                "purchase/recorded.py",
                SETTLE,
                SETTLE + "        await self.blocking(lambda: self.receipts.write(intent, settlement))\n",
            ),
        ),
        found_by="kills",
    ),
    "no mark before the first byte": Mutant(
        breaks="a missing mark proves that nothing left",
        changes=(("store/segment.py", "            self._write(entry, Kind.SENT)\n", "            pass\n"),),
        found_by="kills",
    ),
    "recovery forgets what arrived": Mutant(
        breaks="a body that arrived is settled at the next start",
        changes=(("purchase/recover.py", "if found is None or found.is_empty:", "if found is not None:"),),
        found_by="kills",
    ),
    "what is unknown is asked again": Mutant(
        breaks="a request that was sent and not answered is held",
        changes=(
            (
                "purchase/recover.py",
                'OutcomeUnknown("the process ended while the answer was on its way")',
                'NotSent("the process ended while the answer was on its way")',
            ),
        ),
        found_by="kills",
    ),
    "a rebuild forgets what was on its way": Mutant(
        breaks="a lost ledger learns of requests in flight from the spool",
        changes=(("upkeep/rebuilding.py", "        for found in self.spool.scan():\n", "        for found in ():\n"),),
        found_by="kills",
    ),
    "two attempts of one number": Mutant(
        breaks="a record of a spool file belongs to one attempt",
        changes=(
            (
                "store/segment.py",
                "            self._numbers += 1\n",
                "            self._numbers = (self._numbers + 1) % 2\n",
            ),
        ),
        found_by="kills",
    ),
    "a file goes with its first attempt": Mutant(
        breaks="a spool file stays while an attempt in it is open",
        changes=(
            (
                "store/spool.py",
                "        if segment is not self._current and not segment.entries:\n            self._drop(segment)\n",
                "        if segment is not self._current:\n            segment.path.unlink(missing_ok=True)\n",
            ),
        ),
        found_by="kills",
    ),
    "synchronous = NORMAL": Mutant(
        breaks="a commit is durable when it is done",
        changes=(("ledger/opening.py", '"synchronous = FULL"', '"synchronous = NORMAL"'),),
        found_by="power cuts",
    ),
    "data not synced before its name": Mutant(
        breaks="a file has its name only when its bytes are on the medium",
        changes=(
            ("store/durable.py", "            sync(fd)\n        finally:\n", "            pass\n        finally:\n"),
        ),
        found_by="power cuts",
    ),
    "folders never synced": Mutant(
        breaks="a name is on the medium before the next step",
        changes=(
            (
                "store/durable.py",
                "    try:\n        os.fsync(fd)\n    except OSError as error:\n",
                "    try:\n        pass\n    except OSError as error:\n",
            ),
        ),
        found_by="power cuts",
    ),
    "an image's folder not synced": Mutant(
        breaks="an image has its name on the medium before its receipt",
        changes=(
            (
                "store/images.py",
                "            durable.sync_folder(root)\n            self._shards",
                "            self._shards",
            ),
        ),
        found_by="power cuts",
    ),
    "a receipt's folder not synced": Mutant(
        breaks="a receipt is on the medium before the ledger's settlement",
        changes=(("store/receipts.py", "                sync(inside)\n", ""),),
        found_by="power cuts",
    ),
    "folders of images that came together not synced": Mutant(
        breaks="a receipt names only what is on the medium",
        changes=(("purchase/together.py", "            sync=folders.add,\n", "            sync=lambda _: None,\n"),),
        found_by="power cuts",
    ),
    "a place given back before its answer is kept": Mutant(
        breaks="no more are unknown after a power cut than there are places",
        changes=(
            (
                "purchase/recorded.py",
                "            read = await self._together.read(arrival)\n",
                "            self.kept()\n            read = await self._together.read(arrival)\n",
            ),
        ),
        found_by="power cuts",
    ),
    "a copy not synced": Mutant(
        breaks="what people see is whole",
        changes=(("store/copying.py", "durable.sync(fd)", "None"),),
        found_by="power cuts",
    ),
}
"""Ten of order and seven of fsync."""


def plant(mutant: Mutant, into: Path) -> Path:
    """A copy of the package with the bug in it; gives the folder it lies in. Raises ValueError when it does not fit."""
    shutil.copytree(ROOT / "pipeline", into / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in mutant.changes:
        path = into / "pipeline" / file
        text = path.read_text()
        if old not in text:
            raise ValueError(f"{file}: {old.strip()!r} is not there any more")
        path.write_text(text.replace(old, new))
    return into


def hunt(mutant: Mutant, folder: Path, *, effort: int = 150, seed: int = 5) -> str:
    """The first thing its instrument has against the bug; empty when it went unnoticed."""
    package = plant(mutant, folder / "mutant")
    if mutant.found_by == "kills":
        found = campaign(list(cases(effort, seed)), package=package, folder=folder / "kills", stop_at_fault=True).faults
    else:
        found = replay(effort, seed, folder / "cuts", package, stop_at_fault=True).faults
    return found[0] if found else ""


def main(names: list[str]) -> int:
    """Hunts every bug, or those of *names*."""
    missed = 0
    for name, mutant in MUTANTS.items():
        if names and name not in names:
            continue
        folder, began = Path(tempfile.mkdtemp(prefix="mutant-")), time.monotonic()
        found = hunt(mutant, folder)
        shutil.rmtree(folder)
        missed += not found
        told = f"{name} ({mutant.found_by}, {time.monotonic() - began:.0f} s): {found[:160]}"
        print("found  " if found else "MISSED ", told, flush=True)  # noqa: T201
    print(f"{len(names or MUTANTS) - missed} of {len(names or MUTANTS)} planted bugs found")  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
