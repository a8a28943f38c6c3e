"""Answers kept together: in the order of one alone, each with its own end, and none lost when a folder fails."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from pipeline.app.world import in_thread
from pipeline.domain.digest import digest_of
from pipeline.domain.errors import DiskFull, MachineError, ProviderError, Refused
from pipeline.domain.record import Outcome, Rendered, Settlement
from pipeline.domain.request import Answer, Head, ImageRequest
from pipeline.ledger import Ledger
from pipeline.ports import Flight
from pipeline.provider import readers
from pipeline.purchase.recorded import Recorded
from pipeline.purchase.together import MOST, SMALL, Together
from pipeline.store import FileStore, Receipts, durable
from pipeline.store.segment import Segment
from tests.fakes import Script, ScriptedEndpoint, answer_of, png
from tests.purchase.bench import Bench, request, step

pytestmark = pytest.mark.anyio

T = TypeVar("T")
URL = "https://cdn.example/1"
REFUSED = Script(
    body=b'{"error":{"code":"moderation_blocked","message":"no","type":"image_generation_user_error"}}',
    head=Head(status=400, headers={}, seconds=1),
)
Ends = dict[int, Rendered | Exception]


class Endpoints:
    """An endpoint that follows a script for each number of a step, and lets answers come at the same time."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.each = dict(enumerate(map(ScriptedEndpoint, scripts), 1))
        self.left = len(scripts)
        self.all_here = anyio.Event()

    async def post(self, asked: ImageRequest, flight: Flight) -> Head:
        head = await self.each[asked.steps[0].step.candidate].post(asked, flight)
        self.left -= 1
        if not self.left:
            self.all_here.set()
        await self.all_here.wait()
        return head

    def read(self, head: Head, body: bytes) -> Answer:
        return readers()["images"].read(head, body)

    async def fetch(self, url: str) -> bytes:
        return next(each.script.places[url] for each in self.each.values() if url in each.script.places)


async def buy(bench: Bench, scripts: Sequence[Script], **changes: object) -> Ends:
    """What became of one attempt for each script, whose answers all come at once."""
    with bench.ledger() as ledger:
        return await bought(bench, ledger, scripts, **changes)


async def bought(bench: Bench, ledger: Ledger, scripts: Sequence[Script], **changes: object) -> Ends:
    ends: Ends = {}
    recorded: Recorded = bench.recorded(ledger, Endpoints(scripts), **{"blocking": in_thread, **changes})  # type: ignore[arg-type]

    async def one(number: int) -> None:
        try:
            ends[number] = await recorded.render(replace(request(), steps=(step(number),)))
        except (ProviderError, MachineError) as error:
            ends[number] = error

    async with anyio.create_task_group() as tasks:
        for number in range(1, len(scripts) + 1):
            tasks.start_soon(one, number)
    return ends


def outcomes(bench: Bench) -> list[str]:
    return sorted(bench.outcomes())


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, bench: Bench, *, broken: str = "") -> Iterator[list[str]]:
    """What is done to the store, in order. broken: the folder whose sync fails."""
    said: list[str] = []
    sync, write, put = durable.sync_folder, Receipts.write, FileStore.put
    roots = {bench.places.images: "images", bench.places.receipts: "receipts"}

    def sync_folder(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").resolve()
        if (what := roots.get(path.parent)) is not None:
            said.append(f"sync {what}")
            if what == broken:
                raise OSError(errno.EIO, "Input/output error")
        sync(fd)

    def write_receipt(self: Receipts, *given: object) -> Path:
        said.append("receipt")
        return write(self, *given)  # type: ignore[arg-type]

    def put_image(self: FileStore, *given: object) -> object:
        said.append("image")
        return put(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_folder", sync_folder)
        patch.setattr(Receipts, "write", write_receipt)
        patch.setattr(FileStore, "put", put_image)
        yield said


def pictures(count: int) -> list[bytes]:
    return [png(str(number)) for number in range(count)]


async def test_all_images_their_folders_all_receipts_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    shards = {digest_of(picture)[:2] for picture in pictures(8)}
    with told(monkeypatch, bench) as said:
        ends = await buy(bench, [Script(body=answer_of(picture)) for picture in pictures(8)])
    assert all(isinstance(end, Rendered) for end in ends.values())
    assert said == ["image"] * 8 + ["sync images"] * len(shards) + ["receipt"] * 8 + ["sync receipts"]
    assert (bench.outcomes(), bench.receipt_outcomes()) == (["done"] * 8, ["done"] * 8)
    assert bench.kept() == {digest_of(picture) for picture in pictures(8)}


async def test_each_attempt_gets_what_its_own_answer_brought(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    found = pictures(MOST + 8)
    ends = await buy(bench, [Script(body=answer_of(picture)) for picture in found])
    for number, picture in enumerate(found, 1):
        end = ends[number]
        assert isinstance(end, Rendered)
        assert end.kept[0] is not None
        assert end.kept[0].image.digest == digest_of(picture)
    assert bench.spooled() == []


async def test_one_that_is_broken_refused_or_elsewhere_is_its_own_affair(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    scripts = [
        Script(body=answer_of(png("good"))),
        Script(body=b"<html>"),
        REFUSED,
        Script(body=answer_of(URL), places={URL: png("elsewhere")}),
        Script(body=answer_of(b"no picture")),
        Script(body=answer_of(png("good as well"))),
        Script(body=answer_of(png("large")) + b" " * SMALL),
    ]
    ends = await buy(bench, scripts)
    assert {number for number, end in ends.items() if isinstance(end, Rendered)} == {1, 4, 6, 7}
    assert isinstance(ends[3], Refused)
    assert outcomes(bench) == ["done"] * 4 + ["refused"] + ["unknown"] * 2
    assert bench.kept() == {digest_of(png(text)) for text in ("good", "elsewhere", "good as well", "large")}
    assert bench.spooled() == []


@pytest.mark.parametrize("broken", ["images", "receipts"])
async def test_a_folder_that_cannot_be_synced_fails_what_rests_on_it_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    bench = Bench(tmp_path)
    scripts = [*(Script(body=answer_of(picture)) for picture in pictures(3)), REFUSED]
    with told(monkeypatch, bench, broken=broken) as said:
        ends = await buy(bench, scripts)
    assert [type(ends[number]) for number in (1, 2, 3)] == [MachineError] * 3
    assert said.count("receipt") == (1 if broken == "images" else 4), "that of the refusal alone, or all"
    assert "done" not in bench.outcomes()
    assert len(bench.spooled()) >= 3 * len(["body", "head", "intent", "sent"])
    assert (await bench.recover()).images == 3
    assert outcomes(bench)[:3] == ["done"] * 3
    assert bench.kept() == {digest_of(picture) for picture in pictures(3)}
    assert bench.spooled() == []


async def test_what_rests_on_no_folder_goes_its_way_where_one_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is told as one, and a picture behind a url is fetched while its url is good."""
    bench = Bench(tmp_path)
    places = {URL: png("elsewhere")}
    scripts = [Script(body=answer_of(png("1"))), REFUSED, Script(body=answer_of(URL), places=places)]
    with told(monkeypatch, bench, broken="images"):
        ends = await buy(bench, scripts)
    assert isinstance(ends[1], MachineError)
    assert isinstance(ends[2], Refused)
    assert "refused" in bench.outcomes()
    assert "0.bin" in bench.spooled()


async def test_nothing_is_told_before_its_receipt_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    told_of: list[str] = []
    settle = Ledger.settle

    def settled(self: Ledger, settlement: Settlement) -> None:
        told_of.append(said[-1])
        assert settlement.outcome is Outcome.DONE
        settle(self, settlement)

    monkeypatch.setattr(Ledger, "settle", settled)
    with told(monkeypatch, bench) as said:
        await buy(bench, [Script(body=answer_of(picture)) for picture in pictures(5)])
    assert told_of == ["sync receipts"] * 5


async def test_an_answer_is_said_to_be_kept_when_its_receipt_is_durable_and_before_the_ledger_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, settle = Bench(tmp_path), Ledger.settle

    def settled(ledger: Ledger, settlement: Settlement) -> None:
        said.append("settled")
        settle(ledger, settlement)

    monkeypatch.setattr(Ledger, "settle", settled)
    with told(monkeypatch, bench) as said:
        ends = await buy(bench, [Script(body=answer_of(png("one")))], kept=lambda: said.append("kept"))
    assert isinstance(ends[1], Rendered)
    assert said[-4:] == ["receipt", "sync receipts", "kept", "settled"]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(REFUSED, id="refused"),
        pytest.param(Script(body=answer_of(png("one")[:-9])), id="a broken picture"),
        pytest.param(
            Script(body=b'{"data":[{"url":"' + URL.encode() + b'"}]}', places={URL: png("one")}), id="elsewhere"
        ),
        pytest.param(Script(body=answer_of(png("one"))[:-90]), id="cut"),
    ],
)
async def test_nothing_else_is_said_to_be_kept(tmp_path: Path, script: Script) -> None:
    kept: list[bool] = []
    await buy(Bench(tmp_path), [script], kept=lambda: kept.append(True))
    assert kept == []


async def test_an_answer_that_was_hard_to_keep_is_not_said_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Segment, "body", full)
    kept: list[bool] = []
    ends = await buy(Bench(tmp_path), [Script(body=answer_of(png("one")))], kept=lambda: kept.append(True))
    assert isinstance(ends[1], DiskFull)
    assert kept == []


async def test_the_spool_is_opened_at_a_place_of_its_own_where_there_is_one(tmp_path: Path) -> None:
    opened: list[str] = []

    async def opening(work: Callable[[], T]) -> T:
        opened.append("opened")
        return work()

    async def blocking(work: Callable[[], T]) -> T:
        opened.append("worked")
        return await in_thread(work)

    await buy(Bench(tmp_path), [Script(body=answer_of(png("one")))], opening=opening, blocking=blocking)
    assert opened[0] == "opened"
    assert opened.count("opened") == 1
    assert "worked" in opened


async def test_large_answers_are_kept_each_by_itself_and_at_the_same_time(tmp_path: Path) -> None:
    bench, together, at_once = Bench(tmp_path), list[int](), list[int]()
    inside = 0

    async def blocking(work: Callable[[], object]) -> object:
        nonlocal inside
        inside += 1
        at_once.append(inside)
        try:
            return await in_thread(work)
        finally:
            inside -= 1

    def counted(self: Together, turns: Sequence[object]) -> None:
        together.append(len(turns))
        keep(self, turns)  # type: ignore[arg-type]

    keep = Together._keep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Together, "_keep", counted)
        await buy(bench, [Script(body=answer_of(p) + b" " * SMALL) for p in pictures(4)], blocking=blocking)
    assert together == [1] * 4
    assert max(at_once) > 1
    assert bench.outcomes() == ["done"] * 4
