"""A disk that fills up at every step of an attempt: nothing is sent without room, nothing that came is dropped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.domain.digest import digest_of
from pipeline.domain.errors import DiskFull
from pipeline.domain.record import AttemptId, Intent, Settlement
from pipeline.ledger import Committer, Ledger
from pipeline.ledger import inline as inline_commits
from pipeline.store import FileStore, Receipts, Spool, SpoolFlight
from pipeline.store.durable import sync_folder
from pipeline.store.entries import Entry
from pipeline.store.segment import Segment
from tests.fakes import Script, ScriptedEndpoint, answer_of, png
from tests.purchase.bench import HIGH, LOW, Bench, FullStore, request

pytestmark = pytest.mark.anyio

ONE, TWO = png("one"), png("two")


class FullSpool(Spool):
    """A spool without room to reserve."""

    def open(self, attempt_id: AttemptId, reserve: int = 0, intent: Intent | None = None) -> SpoolFlight:
        raise DiskFull("no room for an answer")


class UnfinishedFlight(SpoolFlight):
    """A recorder whose disk is full when the body is to be made durable; the body is still in memory."""

    def finish(self) -> bytes:
        raise DiskFull("no room for a body")


class UnfinishedSpool(Spool):
    def _flight(
        self, attempt_id: AttemptId, segment: Segment | None, entry: Entry | None, *, is_new: bool = False
    ) -> SpoolFlight:
        flight = super()._flight(attempt_id, segment, entry, is_new=is_new)
        flight.__class__ = UnfinishedFlight
        return flight


class FullReceipts(Receipts):
    """Receipts without room."""

    def write(self, intent: Intent, settlement: Settlement, sync: Callable[[int], None] = sync_folder) -> Path:
        raise DiskFull("no room for a receipt")


def full_ledger(ledger: Ledger, refuse: Callable[[int], bool]) -> Committer:
    """A committer that finds no room for the operations that *refuse* names by number, from 1."""
    count = 0

    class FullCommitter(Committer):
        async def do(self, operation):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as in its base class
            nonlocal count
            count += 1
            if refuse(count):
                raise DiskFull("no room for the ledger")
            return await super().do(operation)

    return FullCommitter(ledger, place=inline_commits)


async def test_without_room_to_reserve_nothing_is_written_or_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    endpoint = ScriptedEndpoint(Script(body=answer_of(ONE)))
    with pytest.raises(DiskFull):
        await bench.buy(endpoint, spool=FullSpool(bench.places.spool, bench.places.quarantine))
    assert (endpoint.asked, bench.outcomes(), bench.spooled()) == ([], [], [])


async def test_without_room_for_the_intent_nothing_is_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    endpoint = ScriptedEndpoint(Script(body=answer_of(ONE)))
    with bench.ledger() as ledger:
        recorded = bench.recorded(ledger, endpoint, committer=full_ledger(ledger, lambda number: number == 1))
        with pytest.raises(DiskFull):
            await recorded.render(request())
    assert (endpoint.asked, bench.outcomes(), bench.spooled()) == ([], [], [])


@pytest.mark.parametrize("there", [ONE, "https://cdn.example/1"], ids=["in it", "behind a url"])
async def test_without_room_for_a_body_its_picture_is_kept_all_the_same(tmp_path: Path, there: bytes | str) -> None:
    bench = Bench(tmp_path)
    spool = UnfinishedSpool(bench.places.spool, bench.places.quarantine)
    script = Script(body=answer_of(there), places={"https://cdn.example/1": ONE})
    brought = await bench.buy(ScriptedEndpoint(script), spool=spool)
    assert brought.kept[0] is not None
    assert (bench.outcomes(), bench.states(), bench.kept()) == (["done"], ["done"], {digest_of(ONE)})


async def test_without_room_for_an_image_its_body_waits_for_the_next_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store = FullStore(FileStore(bench.places.images), full_from=0)
    with pytest.raises(DiskFull, match="image"):
        await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))))
    assert (bench.outcomes(), bench.spooled()) == (["sent"], ["body", "head", "intent", "sent"])
    bench.store = None
    assert (await bench.recover()).images == 1
    assert (bench.outcomes(), bench.states(), bench.spent()) == (["done"], ["done"], (LOW, 0))
    assert bench.spooled() == []


async def test_an_answer_that_fits_nowhere_is_unknown_by_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store = FullStore(FileStore(bench.places.images), full_from=0)
    spool = UnfinishedSpool(bench.places.spool, bench.places.quarantine)
    with pytest.raises(DiskFull, match="image"):
        await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))), spool=spool)
    ((outcome, asset, message),) = bench.rows("SELECT outcome, asset, message FROM v_attempts")
    assert (outcome, asset) == ("unknown", "shot/1")
    assert message == "perhaps billed, and what came could not be kept: no room for an image"
    assert bench.spent() == (0, HIGH)


async def test_without_room_for_the_second_image_the_first_is_not_bought_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store = FullStore(FileStore(bench.places.images), full_from=1)
    asked = request(2)
    with pytest.raises(DiskFull):
        await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE, TWO))), asked)
    bench.store = None
    await bench.recover()
    assert (bench.outcomes(), bench.states(asked)) == (["done"], ["done", "done"])
    assert bench.kept() == {digest_of(ONE), digest_of(TWO)}


async def test_without_room_for_a_receipt_the_body_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(DiskFull, match="receipt"):
        await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))), receipts=FullReceipts(bench.places.receipts))
    assert bench.outcomes() == ["sent"]
    await bench.recover()
    assert (bench.outcomes(), bench.states(), bench.receipt_outcomes()) == (["done"], ["done"], ["done"])


async def test_without_room_for_the_settlement_the_receipt_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    endpoint = ScriptedEndpoint(Script(body=answer_of(ONE)))
    with bench.ledger() as ledger:
        recorded = bench.recorded(ledger, endpoint, committer=full_ledger(ledger, lambda number: number == 2))
        with pytest.raises(DiskFull, match="ledger"):
            await recorded.render(request())
    assert (bench.outcomes(), bench.receipt_outcomes()) == (["sent"], ["done"])
    await bench.recover()
    assert (bench.outcomes(), bench.states(), bench.spent()) == (["done"], ["done"], (LOW, 0))


async def test_a_ledger_that_fails_for_good_leaves_the_attempt_for_the_next_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    spool = UnfinishedSpool(bench.places.spool, bench.places.quarantine)
    endpoint = ScriptedEndpoint(Script(body=answer_of(ONE)))
    with bench.ledger() as ledger:
        full = full_ledger(ledger, lambda number: number > 1)
        recorded = bench.recorded(ledger, endpoint, committer=full, spool=spool)
        with pytest.raises(DiskFull):
            await recorded.render(request())
    assert bench.outcomes() == ["sent"]
    await bench.recover()
    assert bench.outcomes() == ["done"], "its receipt was written before the ledger was asked"
