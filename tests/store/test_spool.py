import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import MachineError
from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.store import Evidence, Spool, headers
from pipeline.store.segment import Segment
from pipeline.store.spool import reason_of
from tests.store.spooling import ONE, files, next_process, only

HEAD = Head(
    status=200,
    headers={
        "content-type": "application/json",
        "x-request-id": "req_1",
        "x-oneapi-request-id": "one",
        "x-ratelimit-remaining": "5",
        "x-pipeline-sketch": "1",
        "retry-after": "3" * 2000,
        "set-cookie": "session=secret",
        "authorization": "Bearer secret",
        "x-api-key": "secret",
        "x-odd-id": "odd",
    },
    seconds=61.5,
)


def test_a_flight_leaves_evidence_of_how_far_it_got(spool: Spool) -> None:
    with spool.open(ONE, reserve=100_000) as flight:
        assert only(spool) == Evidence(attempt_id=ONE, sent=False, head=None, whole=False, size=0, pictures=())
        assert only(spool).is_empty
        flight.sent()
        assert only(spool).sent
        assert only(spool).is_empty
        flight.head(HEAD)
        head = only(spool).head
        assert head is not None
        assert (head.status, head.seconds) == (200, 61.5)
        flight.write(b'{"data": [')
        assert only(spool).size == 10
        assert not only(spool).is_empty
        flight.write(memoryview(b"1]}"))
        assert not only(spool).whole
        assert flight.finish() == b'{"data": [1]}'
        assert only(spool).whole
        assert only(spool).size == 13
        flight.keep_picture(0, b"first")
        flight.keep_picture(11, b"twelfth")
        flight.keep_picture(0, b"first")
        assert only(spool).pictures == (0, 11)
        assert flight.picture(0) == b"first"
        assert flight.picture(1) is None
        flight.discard()
    assert list(spool.scan()) == []
    assert list(next_process(spool).scan()) == []
    spool.close()
    assert files(spool._folder) == []


def test_the_next_process_finds_what_this_one_knows_at_every_step(spool: Spool) -> None:
    flight = spool.open(ONE, reserve=100_000)
    steps: list[Callable[[], object]] = [
        flight.sent,
        lambda: flight.head(HEAD),
        lambda: flight.write(b'{"data": ['),
        lambda: flight.write(b"1]}"),
        flight.finish,
        lambda: flight.keep_picture(2, b"third"),
    ]
    for step in steps:
        assert only(next_process(spool)) == only(spool)
        step()
    assert only(next_process(spool)) == only(spool)
    assert only(spool).whole
    flight.discard()
    assert list(next_process(spool).scan()) == []


def test_only_allow_listed_headers_are_written_down(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE) as flight:
        flight.head(HEAD)
    (path,) = (tmp_path / "spool").iterdir()
    assert b"secret" not in path.read_bytes()
    head = only(spool).head
    assert head is not None
    assert set(head.headers) == {
        "content-type", "x-request-id", "x-oneapi-request-id", "x-ratelimit-remaining", "x-pipeline-sketch",
        "retry-after",
    }  # fmt: skip
    assert len(head.headers["retry-after"]) == 512


def test_a_profiles_own_request_id_header_can_be_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, tmp_path, keep_headers=frozenset({"x-odd-id"}))
    with spool.open(ONE) as flight:
        flight.head(HEAD)
    head = only(spool).head
    assert head is not None
    assert head.headers["x-odd-id"] == "odd"


def test_files_are_private(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE, reserve=10) as flight:
        flight.sent()
        flight.head(HEAD)
        flight.write(b"x")
        flight.finish()
        flight.keep_picture(0, b"y")
    with (spool := next_process(spool)).reopen(ONE) as flight:
        flight.quarantine("unusable")
    with spool.open(ONE) as flight:
        flight.write(b"z" * 1000)
        flight.finish()
        flight.keep_picture(0, b"y")
    left = [*(tmp_path / "spool").iterdir(), *(tmp_path / "quarantine").iterdir()]
    assert {path.suffix for path in left} == {".flights", ".bin", ".body", ".head", ".why"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=50).filter(lambda piece: not piece.endswith(b"\0")), max_size=8),
    reserve=st.sampled_from([0, 1, 7, 100, 200_000]),
    memory=st.sampled_from([0, 20, 10_000]),
    reopen=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_a_body_comes_back_as_it_came_whatever_was_reserved(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], reserve: int, memory: int, reopen: bool
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, folder, memory=memory)
    with spool.open(ONE, reserve=reserve) as flight:
        for piece in pieces:
            flight.write(piece)
        body = b"".join(pieces)
        assert flight.fragment() == body
        assert only(spool).size == len(body)
    last = spool.reopen(ONE) if reopen else flight
    assert last.fragment() == body
    assert only(spool).size == len(body)
    assert next_process(spool).reopen(ONE).fragment() == body
    assert last.finish() == body
    assert last.finish() == body
    assert spool.reopen(ONE).finish() == body
    assert spool.reopen(ONE).fragment() == body
    assert next_process(spool).reopen(ONE).finish() == body
    assert only(next_process(spool)) == only(spool)
    assert only(spool).whole


def test_the_reserve_is_taken_on_the_disk_and_given_back(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE, reserve=1_000_000) as flight:
        (path,) = (tmp_path / "spool").iterdir()
        assert path.stat().st_blocks * 512 >= 1_000_000
        flight.write(b"{}")
        flight.finish()
        assert next_process(spool).reopen(ONE).fragment() == b"{}"
        flight.discard()
    spool.close()
    assert files(tmp_path / "spool") == []


def test_a_body_that_is_zeros_in_the_reserve_only_is_no_body(spool: Spool) -> None:
    with spool.open(ONE, reserve=500_000):
        pass
    for each in (spool, next_process(spool)):
        assert only(each).is_empty
        assert each.reopen(ONE).fragment() == b""


def test_without_a_body_there_is_nothing_to_finish(spool: Spool) -> None:
    assert spool.reopen(ONE).fragment() == b""
    with pytest.raises(MachineError):
        spool.reopen(ONE).finish()


def test_an_attempt_is_opened_once(spool: Spool) -> None:
    with spool.open(ONE), pytest.raises(MachineError, match="exists"):
        spool.open(ONE)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a.b", "x" * 101, "a\0b"])
def test_an_id_that_cannot_name_files_is_refused(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name files"):
        spool.open(AttemptId(name))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "\0" * 20, '{"status": 200}', '{"status": "200", "seconds": 1, "headers": {}}',
        '{"status": 200, "seconds": NaN, "headers": {}}', '{"status": 200, "seconds": 1, "headers": {"a": 1}}',
        '{"status": -1, "seconds": 1, "headers": {}}', "[" * 100_000, '{"status": 200, "seconds": 1, "headers": []}',
    ],
)  # fmt: skip
def test_a_torn_or_hostile_head_is_no_head(tmp_path: Path, text: str) -> None:
    segment = Segment.create(tmp_path)
    segment.head(segment.open(ONE, 0, b""), text.encode())
    assert only(Spool(tmp_path, tmp_path)).head is None


def test_a_head_survives_its_text() -> None:
    assert headers.from_bytes(headers.to_bytes(headers.kept(HEAD))) == headers.kept(HEAD)


def test_discarding_leaves_other_attempts_alone(spool: Spool) -> None:
    with spool.open(ONE) as one, spool.open(AttemptId("attempt-12")) as other:
        other.sent()
        one.discard()
        one.discard()
        for each in (spool, next_process(spool)):
            assert only(each).attempt_id == "attempt-12"
            assert only(each).sent


def test_quarantined_bodies_are_kept_with_their_reason(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE) as flight:
        flight.sent()
        flight.write(b"<html>")
        flight.finish()
        flight.quarantine("HTML instead of JSON")
    assert list(spool.scan()) == []
    assert list(next_process(spool).scan()) == []
    assert [path.name for path in spool.quarantined()] == ["attempt-1.body", "attempt-1.why"]
    assert (tmp_path / "quarantine" / "attempt-1.body").read_bytes() == b"<html>"
    assert reason_of(tmp_path / "quarantine" / "attempt-1.why") == "HTML instead of JSON"
    now = datetime.now(UTC)
    assert spool.release(now - timedelta(days=14)) == 0
    assert spool.release(now + timedelta(minutes=1)) == 2


def test_a_quarantined_fragment_gives_its_reserve_back(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE, reserve=300_000) as flight:
        flight.write(b"half an answ")
    again = next_process(spool)
    again.reopen(ONE).quarantine("cut")
    assert (tmp_path / "quarantine" / "attempt-1.part").read_bytes() == b"half an answ"
    again.close()
    assert files(tmp_path / "spool") == []


def test_a_body_larger_than_memory_is_read_from_its_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, tmp_path, memory=1000)
    with spool.open(ONE) as flight:
        for _ in range(100):
            flight.write(b"y" * 100)
        assert flight.fragment() == b"y" * 10_000
        assert flight.finish() == b"y" * 10_000


def test_a_spool_file_holds_what_was_written_at_once(spool: Spool, tmp_path: Path) -> None:
    with spool.open(ONE) as flight:
        flight.write(b"abc")
        (path,) = (tmp_path / "spool").iterdir()
        assert path.read_bytes().endswith(b"abc")
        assert next_process(spool).reopen(ONE).fragment() == b"abc"
        assert flight.trouble is None
