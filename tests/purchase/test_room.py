"""Room on disk: waited for while answers are on their way, and asked for by what they really take."""

from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest

from pipeline.domain.digest import Digest
from pipeline.domain.errors import DiskFull
from pipeline.domain.money import FREE
from pipeline.domain.record import PAID, AttemptId, Intent, IntentSlot, RunId
from pipeline.domain.step import AssetName, KeyParts, step_key
from pipeline.purchase.room import Room

PARTS = KeyParts(protocol="images", model="m", params={"size": "1000x1000"}, prompt="a lake")


def intent() -> Intent:
    return Intent(
        attempt_id=AttemptId("a"),
        run_id=RunId("r"),
        space=PAID,
        manifest="m",
        provider="p",
        endpoint="http://127.0.0.1/v1",
        protocol="images",
        model="m",
        slots=(IntentSlot(key=step_key(PARTS), parts=PARTS, asset=AssetName("a")),),
        cost_low=FREE,
        cost_high=FREE,
        request_digest=Digest("0" * 64),
        key_fingerprint="",
        boot_id="b",
        opened_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


class Disk:
    """Takes reservations until its bytes are gone."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.taken: list[int] = []

    async def take(self, size: int) -> int:
        await anyio.lowlevel.checkpoint()
        if size > self.free:
            raise DiskFull("full")
        self.free -= size
        self.taken.append(size)
        return size


@pytest.mark.anyio
async def test_a_reservation_waits_for_answers_on_their_way() -> None:
    room, disk = Room(), Disk(4_000_000)
    first = await room.reserve(intent(), disk.take)
    got: list[int] = []

    async def second() -> None:
        got.append(await room.reserve(intent(), disk.take))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(second)
        await anyio.sleep(0.01)
        assert not got, "there was no room yet"
        disk.free += first
        room.freed(intent(), 100_000)
    assert got


@pytest.mark.anyio
async def test_a_disk_without_room_is_full_when_nothing_is_on_its_way() -> None:
    with pytest.raises(DiskFull):
        await Room().reserve(intent(), Disk(1000).take)


@pytest.mark.anyio
async def test_later_reservations_follow_what_answers_took() -> None:
    room, disk = Room(), Disk(100_000_000)
    await room.reserve(intent(), disk.take)
    room.freed(intent(), 400_000)
    await room.reserve(intent(), disk.take)
    assert disk.taken == [3_000_000, 600_000]
