"""Records of many attempts in one file: read back exactly, whatever was cut off or torn, and never another's."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.record import AttemptId
from pipeline.store import Evidence, Spool, frames
from pipeline.store.entries import Entry
from pipeline.store.frames import Kind
from pipeline.store.segment import Segment
from tests.store.spooling import full_disk

MOST = 4
SECTOR = 512


@dataclass(frozen=True)
class Step:
    """One record of one attempt. size: of its data."""

    attempt: int
    kind: Kind
    size: int = 0

    @property
    def data(self) -> bytes:
        return bytes([ord("a") + self.attempt]) * self.size


@dataclass
class Meant:
    """What was written of an attempt, or read."""

    intent: bytes = b""
    sent: bool = False
    head: bytes = b""
    body: bytes = b""
    whole: bool = False


@dataclass
class Played:
    """A file and the steps that made it. ends: where each one's record ends."""

    path: Path
    steps: list[Step]
    ends: list[int] = field(default_factory=list)

    def before(self, at: int) -> dict[str, Meant]:
        """Open attempts by the records that end at that byte or before it."""
        found: dict[str, Meant] = {}
        for step, end in zip(self.steps, self.ends, strict=True):
            if end > at:
                break
            if step.kind is Kind.OPENED:
                found[name(step.attempt)] = Meant(intent=step.data)
            elif step.kind is Kind.CLOSED:
                del found[name(step.attempt)]
            else:
                _add(found[name(step.attempt)], step)
        return found


def _add(meant: Meant, step: Step) -> None:
    match step.kind:
        case Kind.SENT:
            meant.sent = True
        case Kind.HEAD:
            meant.head = step.data
        case Kind.BODY:
            meant.body += step.data
        case _:
            meant.whole = True


def name(attempt: int) -> str:
    return f"attempt-{attempt}" + "x" * attempt


LATER = [Kind.SENT, Kind.HEAD, Kind.BODY, Kind.BODY, Kind.BODY, Kind.WHOLE, Kind.CLOSED]


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """Any order in which attempts may be opened, go on and be closed."""
    steps: list[Step] = []
    is_open: set[int] = set()
    whole: set[int] = set()
    opened = 0
    for _ in range(draw(st.integers(1, 25))):
        if opened < MOST and (not is_open or draw(st.booleans())):
            steps.append(Step(opened, Kind.OPENED, draw(st.sampled_from([0, 7, 300]))))
            is_open.add(opened)
            opened += 1
        elif is_open:
            attempt = draw(st.sampled_from(sorted(is_open)))
            kind = draw(st.sampled_from([Kind.HEAD, Kind.CLOSED] if attempt in whole else LATER))
            has_data = kind in {Kind.HEAD, Kind.BODY}
            steps.append(Step(attempt, kind, draw(st.sampled_from([1, 5, 496, 700])) if has_data else 0))
            is_open -= {attempt} if kind is Kind.CLOSED else set()
            whole |= {attempt} if kind is Kind.WHOLE else set()
    return steps


def play(folder: Path, steps: list[Step], reserve: int) -> Played:
    segment = Segment.create(folder)
    played = Played(segment.path, steps)
    entries: dict[int, Entry] = {}
    for step in steps:
        match step.kind:
            case Kind.OPENED:
                entries[step.attempt] = segment.open(AttemptId(name(step.attempt)), reserve, step.data)
            case Kind.SENT:
                segment.sent(entries[step.attempt])
            case Kind.HEAD:
                segment.head(entries[step.attempt], step.data)
            case Kind.BODY:
                segment.body(entries[step.attempt], step.data)
            case Kind.WHOLE:
                segment._write(entries[step.attempt], Kind.WHOLE)
                entries[step.attempt].whole = True
            case Kind.CLOSED:
                segment.close(entries[step.attempt])
        played.ends.append(segment._end)
    return played


def read(path: Path) -> dict[str, Meant]:
    """Open attempts as another process finds them."""
    segment = Segment.load(path)
    if segment is None:
        return {}
    return {
        entry.attempt_id: Meant(
            intent=segment.read([entry.intent]),
            sent=entry.sent,
            head=segment.read([entry.head]) if entry.head else b"",
            body=segment.read(entry.body),
            whole=entry.whole,
        )
        for entry in segment.entries.values()
    }


def check(found: dict[str, Meant], played: Played, at: int) -> None:
    """What lies before a tear at *at* is there as it was written; nothing is told of another attempt."""
    certain = played.before(at)
    closed = {name(step.attempt) for step in played.steps if step.kind is Kind.CLOSED}
    assert set(certain) - set(found) <= closed, "a record behind the tear may still say so"
    for attempt_id, meant in found.items():
        own = letters_of(attempt_id) + b"\0"
        assert not (meant.intent + meant.head + meant.body).strip(own)
        written = sum(step.size for step in played.steps if name(step.attempt) == attempt_id and step.kind is Kind.BODY)
        assert len(meant.body) <= written
        if attempt_id in certain:
            assert meant.intent == certain[attempt_id].intent
            assert meant.body.startswith(certain[attempt_id].body)
            assert meant.sent >= certain[attempt_id].sent
            assert meant.whole >= certain[attempt_id].whole


def letters_of(attempt_id: str) -> bytes:
    (attempt,) = (each for each in range(MOST) if name(each) == attempt_id)
    return Step(attempt, Kind.BODY, 1).data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("segment")
    yield made
    for path in made.iterdir():
        path.unlink()


RESERVES = st.sampled_from([0, 1, 3000])


@given(steps=stories(), reserve=RESERVES)
@settings(max_examples=100, deadline=None)
def test_whatever_order_records_come_in_another_process_reads_them_exactly(
    folder: Path, steps: list[Step], reserve: int
) -> None:
    played = play(folder, steps, reserve)
    assert read(played.path) == played.before(10**9)


@given(steps=stories(), reserve=RESERVES, data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_file_that_is_cut_at_any_byte_gives_what_lies_before_the_cut(
    folder: Path, steps: list[Step], reserve: int, data: st.DataObject
) -> None:
    played = play(folder, steps, reserve)
    at = data.draw(st.integers(0, played.ends[-1]))
    whole = played.path.read_bytes()
    is_zeros = data.draw(st.booleans(), label="the rest was reserved")
    played.path.write_bytes(whole[:at] + (bytes(len(whole) - at) if is_zeros else b""))
    found = read(played.path)
    check(found, played, at)
    certain = played.before(at)
    assert set(certain) <= set(found)
    cut = next((step for step, end in zip(played.steps, played.ends, strict=True) if end > at), None)
    for attempt_id, meant in certain.items():
        if cut is None or name(cut.attempt) != attempt_id:
            assert found[attempt_id] == meant
    _close_one_by_one(played.path, found)


def _close_one_by_one(path: Path, found: dict[str, Meant]) -> None:
    """Recovery that is killed after each attempt: the others read as before."""
    left = dict(found)
    for attempt_id in found:
        segment = Segment.load(path)
        assert segment is not None
        (entry,) = (each for each in segment.entries.values() if each.attempt_id == attempt_id)
        segment.close(entry)
        del left[attempt_id]
        assert _unpadded(read(path)) == _unpadded(left)


def _unpadded(found: dict[str, Meant]) -> dict[str, Meant]:
    """Without the zeros that follow half a note or half a head: neither is taken for one."""
    return {
        attempt_id: replace(meant, intent=meant.intent.rstrip(b"\0"), head=meant.head.rstrip(b"\0"))
        for attempt_id, meant in found.items()
    }


@given(steps=stories(), reserve=RESERVES, data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_sector_that_a_power_cut_took_gives_no_attempt_anothers_bytes(
    folder: Path, steps: list[Step], reserve: int, data: st.DataObject
) -> None:
    played = play(folder, steps, reserve)
    sector = data.draw(st.integers(0, played.ends[-1] // SECTOR))
    whole = bytearray(played.path.read_bytes())
    lost = slice(sector * SECTOR, min(len(whole), (sector + 1) * SECTOR))
    whole[lost] = bytes(lost.stop - lost.start)
    played.path.write_bytes(whole)
    check(read(played.path), played, sector * SECTOR if sector else 0)


def test_half_a_name_is_no_name(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path)
    segment.open(AttemptId("attempt-1"), 0, b"one")
    end = segment._end
    segment.open(AttemptId("attempt-12"), 0, b"two")
    segment.path.write_bytes(segment.path.read_bytes()[: end + frames.SIZE + len("attempt-1")])
    assert read(segment.path) == {"attempt-1": Meant(intent=b"one")}


@given(salt=st.integers(0, 2**32 - 1), shift=st.integers(0, 15), number=st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_a_body_of_bytes_that_look_like_records_changes_nothing(
    folder: Path, salt: int, shift: int, number: int
) -> None:
    segment = Segment.create(folder)
    salt ^= segment._salt == salt
    hostile = bytes(shift) + b"".join(frames.header(salt, kind, number, 0) for kind in Kind) * 20 + b"}"
    one, two = (segment.open(AttemptId(each), 0, b"") for each in ("one", "two"))
    segment.sent(one)
    segment.body(one, hostile)
    _fail(segment, two, hostile)
    first, (second, was_sent, size) = _told(segment.path)
    assert (first, second, was_sent) == (("one", True, len(hostile)), "two", False)
    assert 0 < size <= len(hostile) - 100
    segment.sent(two)
    assert _told(segment.path) == [("one", True, len(hostile)), ("two", True, 0)]


def _fail(segment: Segment, entry: Entry, data: bytes) -> None:
    """A piece of a body for the last hundred bytes of which there is no room, but for what it begins with; nor can what
    is there of it be taken back."""
    end, write = segment._end + frames.SIZE + len(data), os.pwrite

    def pwrite(fd: int, piece: bytes, at: int) -> int:
        if any(piece):
            return write(fd, piece, at)
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as disk, full_disk(end - 100 - data.find(b"PF")):
        disk.setattr(os, "pwrite", pwrite)
        with pytest.raises(OSError, match="large"):
            segment.body(entry, data)


def _told(path: Path) -> list[tuple[str, bool, int]]:
    segment = Segment.load(path)
    assert segment is not None
    return [(entry.attempt_id, entry.sent, entry.size) for entry in segment.entries.values()]


def test_only_who_knows_a_files_number_could_write_a_record_into_it(tmp_path: Path) -> None:
    """What the test above would miss if a record were taken for one by its form alone."""
    for salt_is_known in (True, False):
        segment = Segment.create(tmp_path)
        entry = segment.open(AttemptId("one"), 0, b"")
        salt = segment._salt if salt_is_known else segment._salt ^ 1
        with segment.path.open("ab") as file:
            file.write(frames.header(salt, Kind.SENT, entry.number, 0))
        assert _told(segment.path) == [("one", salt_is_known, 0)]


def test_a_spool_tells_apart_attempts_of_several_files(tmp_path: Path) -> None:
    for process in range(3):
        spool = Spool(tmp_path, tmp_path)
        for number in range(4):
            flight = spool.open(AttemptId(f"process-{process}-{number}"), reserve=100)
            flight.write(flight.attempt_id.encode())
            if number % 2:
                flight.discard()
        spool.close()
    again = Spool(tmp_path, tmp_path)
    found: list[Evidence] = list(again.scan())
    assert all(again.reopen(each.attempt_id).fragment() == each.attempt_id.encode() for each in found)
    assert len(found) == 6


def test_what_stood_beyond_a_lost_sector_is_cut_off_before_anything_is_written_there(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path)
    first = segment.open(AttemptId("first"), 0, b"x" * (SECTOR - 100))
    segment.body(first, b"y" * SECTOR)
    for _ in range(8):
        segment.sent(segment.open(AttemptId("later"), 0, b""))
    whole, at = segment.path.read_bytes(), sum(first.body[-1])
    segment.path.write_bytes(whole[:at] + bytes(frames.SIZE) + whole[at + frames.SIZE :])
    left = Segment.load(segment.path)
    assert left is not None
    (entry,) = left.entries.values()
    left.close(entry)
    assert segment.path.stat().st_size == at + frames.SIZE
    assert _told(segment.path) == []
