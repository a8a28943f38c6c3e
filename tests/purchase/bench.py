"""A ledger, a store and a spool on disk around a scripted endpoint: one paid attempt, and what it leaves behind."""

import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pipeline.app.world import inline
from pipeline.catalogue import load_catalogue
from pipeline.domain.capability import Profile
from pipeline.domain.digest import Json
from pipeline.domain.errors import DiskFull, OutcomeUnknown
from pipeline.domain.event import Event
from pipeline.domain.image import Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, AttemptId, Rendered, RunId, Slot
from pipeline.domain.request import ImageRequest, ReadyStep
from pipeline.domain.step import Accept, AssetName, Step, StepKey, step_key
from pipeline.ledger import Committer, Ledger, open_ledger
from pipeline.ledger import inline as inline_commits
from pipeline.ports import ImageStore
from pipeline.provider import readers
from pipeline.purchase.recorded import Address, Recorded
from pipeline.purchase.recover import Recovered, Recovery
from pipeline.purchase.settle import Settler
from pipeline.store import Evidence, FileStore, Places, Receipts, Spool
from tests.fakes import ScriptedEndpoint

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
RUN = RunId("run-1")
MANIFEST = "shop"
ENDPOINT = "https://images.example/v1"
LOW, HIGH = MicroUsd(40_000), MicroUsd(100_001)

T = TypeVar("T")


class Clock:
    def now(self) -> datetime:
        return NOW


def step(number: int = 1, *, accept: Accept | None = None, **params: Json) -> ReadyStep:
    made = Step(
        asset=AssetName(f"shot/{number}"),
        shot="shot",
        axes=(),
        step_id="",
        depth=0,
        candidate=number,
        remaining=0,
        provider="paid",
        model_alias="main",
        model="gpt-image-2",
        protocol="images",
        params=params,
        prompt="a cat",
        inputs=(),
        parent=None,
        path=f"shot/{number}",
        accept=accept or Accept(),
    )
    return ReadyStep(step=made, key=step_key(made.parts()), parts=made.parts())


def request(count: int = 1, *, accept: Accept | None = None, **params: Json) -> ImageRequest:
    return ImageRequest(
        steps=tuple(step(number, accept=accept, **params) for number in range(1, count + 1)),
        provider="paid",
        protocol="images",
        model="gpt-image-2",
        prompt="a cat",
        params=params,
        expected=LOW,
        worst=HIGH,
    )


@dataclass
class Bench:
    """One output folder. A new bench on the same folder is the next process."""

    output: Path
    boot: str = "boot-1"
    events: list[Event] = field(default_factory=list)
    store: ImageStore | None = None
    fetch: Callable[[str], Awaitable[bytes]] | None = None

    def __post_init__(self) -> None:
        self.places = Places(output=self.output)
        self.places.make()
        self.receipts = Receipts(self.places.receipts)
        self.spool = Spool(self.places.spool, self.places.quarantine)

    @contextmanager
    def ledger(self, *, begin: bool = True) -> Iterator[Ledger]:
        """What a process has open from its start to its end: the ledger, and the spool with it."""
        with (
            closing(self.spool),
            open_ledger(self.places.state, write=True, host="host", boot_id=self.boot, now=lambda: NOW) as ledger,
        ):
            if begin and ledger.run(RUN) is None:
                ledger.begin_run(RUN, manifest=MANIFEST)
            yield ledger

    def settler(self) -> Settler:
        catalogue = load_catalogue(today=NOW.date())
        return Settler(store=self.store or FileStore(self.places.images), catalogue=catalogue, clock=Clock())

    def recorded(self, ledger: Ledger, endpoint: ScriptedEndpoint, **changes: Any) -> Recorded:
        given: dict[str, Any] = {
            "endpoint": endpoint,
            "address": Address(name="paid", base_url=ENDPOINT, profile=Profile(name="openai"), space=PAID),
            "committer": Committer(ledger, place=inline_commits),
            "spool": self.spool,
            "receipts": self.receipts,
            "settler": self.settler(),
            "blocking": inline,
            "recorder": self.events.append,
            "clock": Clock(),
            "run_id": RUN,
            "manifest": MANIFEST,
            "boot_id": self.boot,
        }
        return Recorded(**(given | changes))

    async def buy(self, endpoint: ScriptedEndpoint, asked: ImageRequest | None = None, **changes: Any) -> Rendered:
        """One attempt in a process of its own."""
        with self.ledger() as ledger, closing(changes.get("spool", self.spool)):
            return await self.recorded(ledger, endpoint, **changes).render(asked or request())

    async def recover(self, **changes: Any) -> Recovered:
        """What the next start makes of what the last one left."""

        async def nowhere(url: str) -> bytes:
            raise OutcomeUnknown(f"{url}: HTTP 403")

        with self.ledger(begin=False) as ledger:
            given: dict[str, Any] = {
                "committer": Committer(ledger, place=inline_commits),
                "spool": self.spool,
                "receipts": self.receipts,
                "settler": self.settler(),
                "readers": readers(),
                "fetch": self.fetch or nowhere,
                "blocking": inline,
                "recorder": self.events.append,
                "boot_id": self.boot,
            }
            return await Recovery(**(given | changes)).run()

    # what is left behind

    def slots(self, asked: ImageRequest | None = None) -> dict[StepKey, Slot]:
        with open_ledger(self.places.state, write=False, host="h", boot_id="b", now=lambda: NOW) as ledger:
            return ledger.slots(PAID, [ready.key for ready in (asked or request()).steps])

    def states(self, asked: ImageRequest | None = None) -> list[str]:
        """``state`` or ``state/reason`` of each step's slot in the paid space; ``-`` where the ledger has none."""
        asked = asked or request()
        found = self.slots(asked)
        slots = [found.get(ready.key) for ready in asked.steps]
        return ["-" if not slot else "/".join(filter(None, (slot.state, slot.reason))) for slot in slots]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the ledger's file as a stranger's program reads them."""
        with closing(sqlite3.connect(f"file:{self.places.ledger}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query))

    def outcomes(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT outcome FROM v_attempts ORDER BY started_at")]

    def spent(self) -> tuple[int, int]:
        with open_ledger(self.places.state, write=False, host="h", boot_id="b", now=lambda: NOW) as ledger:
            money = ledger.money_of_run(RUN)
            return money.spent, money.unknown

    def kept(self) -> set[str]:
        """Digests of the images on disk."""
        return {path.stem for path in self.places.images.rglob("*.*") if path.is_file()}

    def spooled(self) -> list[str]:
        """Kinds of files that lie in the spool; of a file of records what the next process finds of open attempts."""
        with closing(Spool(self.places.spool, self.places.quarantine)) as spool:
            found = [word for evidence in spool.scan() for word in _words(spool, evidence)]
            files = [path.name.partition(".")[2] for path in self.places.spool.iterdir()]
            return sorted([*found, *(kind for kind in files if kind != "flights" or not found)])

    def quarantined(self) -> list[str]:
        return sorted(path.name.partition(".")[2] for path in self.places.quarantine.iterdir())

    def receipt_outcomes(self) -> list[str]:
        files = sorted(self.places.receipts.rglob("*.json"))
        return [json.loads(file.read_bytes())["settlement"]["outcome"] for file in files]

    def attempt_ids(self) -> list[AttemptId]:
        return [AttemptId(row[0]) for row in self.rows("SELECT attempt_id FROM v_attempts")]


def _words(spool: Spool, found: Evidence) -> Iterator[str]:
    words = {
        "sent": found.sent,
        "head": found.head is not None,
        "body": found.whole,
        "part": found.size and not found.whole,
        "intent": spool.intent(found.attempt_id) is not None,
    }
    yield from [word for word, is_there in words.items() if is_there] or ["room"]


class FullStore:
    """A store whose disk is full from the picture of that number on."""

    def __init__(self, store: ImageStore, full_from: int) -> None:
        self._store = store
        self._left = full_from

    def put(self, data: bytes, sync: Callable[[int], None] | None = None) -> Image:
        self._left -= 1
        if self._left < 0:
            raise DiskFull("no room for an image")
        return self._store.put(data, sync)

    def path(self, image: Image) -> Path:
        return self._store.path(image)

    def has(self, image: Image) -> bool:
        return self._store.has(image)

    def wrote(self, image: Image, status: os.stat_result) -> bool:
        return self._store.wrote(image, status)

    def read(self, image: Image) -> bytes:
        return self._store.read(image)
