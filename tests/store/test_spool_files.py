"""The files that attempts share: what goes when, what stays for the next process, and whose files are left alone."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.domain.errors import MachineError
from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.store import Spool, durable, segment
from pipeline.store.segment import OURS, Segment
from tests.store.spooling import ONE, files, next_process, only

KEY = "sk-canary-0123456789"


def test_strangers_files_and_links_are_no_evidence(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool" / "README").write_text("x")
    (tmp_path / "spool" / "a.b.body").write_text("x")
    later = tmp_path / "spool" / "89abcdef01234567.flights"
    later.write_bytes(b"flights2" + b"of a version to come" * 100)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "spool" / "linked.body").symlink_to(tmp_path / "secret")
    (tmp_path / "spool" / ".part-0123456789abcdef").write_text("x")
    stranger = tmp_path / "spool" / "notes.flights"
    stranger.write_bytes(b"dear diary" * 100)
    (tmp_path / "spool" / "folder.flights").mkdir()
    with spool.open(ONE) as flight:
        flight.write(b"x")
    spool._segments.popitem()[1].path.rename(tmp_path / "elsewhere")
    (tmp_path / "spool" / "0123456789abcdef.flights").symlink_to(tmp_path / "elsewhere")
    spool = next_process(spool)
    before = files(tmp_path / "spool")
    assert list(spool.scan()) == []
    assert spool.unread() == 1
    assert spool.sweep() == 1
    spool.close()
    assert files(tmp_path / "spool") == [name for name in before if not name.startswith(".part-")]
    assert (tmp_path / "elsewhere").exists()
    assert stranger.read_bytes() == b"dear diary" * 100


def test_a_file_whose_beginning_a_power_cut_took_is_swept(spool: Spool, tmp_path: Path) -> None:
    for name, start in (
        ("0123456789abcdef", b""),
        ("fedcba9876543210", b"flights1"),
        ("0011223344556677", bytes(5000)),
    ):
        (tmp_path / "spool" / f"{name}.flights").write_bytes(start)
    assert list(spool.scan()) == []
    assert spool.sweep() == 3
    assert files(tmp_path / "spool") == []


def test_a_file_that_is_made_has_a_name_that_is_known_as_ours(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path)
    assert OURS.fullmatch(segment.path.name)


def test_the_marker_of_sending_is_the_last_to_go(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE) as flight:
        flight.sent()
        flight.write(b"x")
        flight.finish()
        flight.keep_picture(0, b"y")
    (tmp_path / "spool" / "attempt-1.1.bin").mkdir()  # cannot be unlinked: discarding stops there
    with pytest.raises(MachineError, match="cannot remove"):
        flight.discard()
    found = only(next_process(spool))
    assert (found.sent, found.pictures, found.size) == (True, (), 1)
    (tmp_path / "spool" / "attempt-1.1.bin").rmdir()
    flight.discard()
    assert list(next_process(spool).scan()) == []


@pytest.mark.parametrize("reopened", [False, True])
def test_a_key_that_was_said_back_goes_with_its_attempt_although_the_file_stays(tmp_path: Path, reopened: bool) -> None:
    spool = Spool(tmp_path, tmp_path, secrets=(Secret(KEY),))
    bodies = {AttemptId("a"): f"{{{KEY}}}".encode(), AttemptId("b"): b"x" * 200_000 + KEY.encode()}
    for attempt_id, body in bodies.items():
        flight = spool.open(attempt_id, reserve=300_000)
        flight.head(Head(status=200, headers={"x-request-id": KEY}, seconds=1))
        for start in range(0, len(body), 7000):
            flight.write(body[start : start + 7000])
        spool.open(AttemptId(f"beside-{attempt_id}")).write(b"still on its way")
        if not reopened:
            flight.discard()
    (path,) = tmp_path.glob("*.flights")
    if reopened:
        spool = next_process(spool)
        assert path.read_bytes().count(KEY.encode()) == 2, "of the bodies: a head is blotted before it is written"
        spool.reopen(AttemptId("a")).discard()
        spool.reopen(AttemptId("b")).quarantine("of no use")
    assert [(found.attempt_id, found.size) for found in next_process(spool).scan()] == [
        ("beside-a", 16),
        ("beside-b", 16),
    ]
    assert not [file.name for file in tmp_path.iterdir() if KEY.encode() in file.read_bytes()]


@pytest.fixture
def bad_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records cannot be synced: the first time the kernel says so, afterwards it lies."""
    real = durable.sync
    told: list[int] = []

    def sync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").resolve().suffix == ".flights" and not told:
            told.append(fd)
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(durable, "sync", sync)


def test_a_large_file_is_not_removed_on_the_way(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing it may take tens of milliseconds, which belong in a thread."""
    monkeypatch.setattr(segment, "FULL", 100_000)
    monkeypatch.setattr(segment, "_STEP", 0)
    monkeypatch.setattr(segment, "_NEXT", 0)
    flights = [spool.open(AttemptId(f"attempt-{number}"), reserve=60_000) for number in range(3)]
    assert [flight.is_light for flight in flights] == [True] * 3
    for flight in flights:
        flight.write(b"x" * 60_000)
    spool.open(AttemptId("in-another")).discard()
    for flight, is_light in zip(flights, (True, True, False), strict=True):
        assert flight.is_light == is_light
        flight.discard()
    assert len(files(tmp_path / "spool")) == 1


def test_a_file_that_cannot_be_read_takes_no_descriptor(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int, size: int, at: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    spool.open(ONE)
    again, descriptors = next_process(spool), Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with monkeypatch.context() as disk:
        disk.setattr(os, "pread", broken)
        with pytest.raises(MachineError):
            list(again.scan())
    assert len(list(descriptors.iterdir())) == before
    assert only(again).attempt_id == ONE


def test_a_process_that_ends_leaves_the_file_of_an_open_attempt_for_the_next_one(spool: Spool, tmp_path: Path) -> None:
    one, other = spool.open(ONE), spool.open(AttemptId("attempt-2"))
    one.write(b"paid for")
    other.discard()
    spool.close()
    assert len(files(tmp_path / "spool")) == 1
    again = next_process(spool)
    assert only(again).attempt_id == ONE
    assert again.sweep() == 0
    assert again.reopen(ONE).fragment() == b"paid for"
    again.reopen(ONE).discard()
    assert files(tmp_path / "spool") == []


def test_a_body_whose_sync_failed_is_kept_in_a_file_of_its_own(spool: Spool, tmp_path: Path, bad_sync: None) -> None:
    flight, other = spool.open(ONE, reserve=1000), spool.open(AttemptId("attempt-2"), reserve=1000)
    flight.write(b"paid for")
    other.write(b"this too")
    assert flight.finish() == b"paid for"
    assert other.finish() == b"this too", "nobody trusts a file whose sync failed once"
    assert {"attempt-1.body", "attempt-2.body"} < set(files(tmp_path / "spool"))
    assert [found.whole for found in next_process(spool).scan()] == [True, True]
    third = spool.open(AttemptId("attempt-3"))
    assert len(list((tmp_path / "spool").glob("*.flights"))) == 2, "new attempts go to another file"
    for each in (flight, other, third):
        each.discard()
    assert list(next_process(spool).scan()) == []
    spool.close()
    assert files(tmp_path / "spool") == []


def test_threads_that_write_at_once_get_in_nobodys_way(spool: Spool) -> None:
    def fly(number: int) -> None:
        for turn in range(5):
            flight = spool.open(AttemptId(f"attempt-{number}-{turn}"), reserve=5000)
            flight.sent()
            for piece in range(40):
                flight.write(f"{number}-{turn}-{piece} ".encode() * 20)
            if turn % 2:
                flight.finish()
            if turn == 3:
                flight.discard()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fly, range(8)))
    again = next_process(spool)
    found = list(again.scan())
    assert len(found) == 8 * 4
    for each in found:
        _, number, turn = each.attempt_id.split("-")
        body = b"".join(f"{number}-{turn}-{piece} ".encode() * 20 for piece in range(40))
        assert again.reopen(each.attempt_id).fragment() == body
        assert (each.sent, each.whole) == (True, turn == "1")
