"""Every state a killed process can leave behind, and what the next start makes of it; killed again, the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from pipeline.domain.digest import digest_of
from pipeline.domain.errors import OutcomeUnknown
from pipeline.domain.event import Note
from pipeline.domain.record import SKETCH, AttemptId, Intent
from pipeline.domain.request import Head
from pipeline.ledger import SlotTaken
from pipeline.provider import readers
from pipeline.purchase.landed import Landed
from pipeline.purchase.recover import Recovered
from tests.fakes import WHOLE, Script, ScriptedEndpoint, answer_of, png
from tests.purchase.bench import HIGH, LOW, Bench, request

pytestmark = pytest.mark.anyio

ONE, TWO = png("one"), png("two")
URL, OTHER = "https://cdn.example/1", "https://cdn.example/2"
SKETCHED = replace(WHOLE, headers={**WHOLE.headers, "x-pipeline-sketch": "1"})
REFUSAL = b'{"error": {"message": "no", "type": "image_generation_user_error", "code": "moderation_blocked"}}'


@dataclass(frozen=True, kw_only=True)
class Left:
    """What lay on disk when the process died, and what becomes of it. places: what urls still bring."""

    sent: bool = True
    head: Head | None = None
    part: bytes | None = b""
    body: bytes | None = None
    pictures: Mapping[int, bytes] = field(default_factory=dict)
    places: Mapping[str, bytes] = field(default_factory=dict)
    boot: str = "boot-1"
    count: int = 1
    outcome: str = "unknown"
    states: list[str] = field(default_factory=lambda: ["unknown"])
    images: tuple[bytes, ...] = ()
    spent: int = 0
    held: int = HIGH


STATES = {
    "only room was reserved": Left(sent=False, outcome="failed", states=["failed"], held=0),
    "nothing at all": Left(sent=False, part=None, outcome="failed", states=["failed"], held=0),
    "nothing at all, on another boot": Left(sent=False, part=None, boot="boot-2"),
    "no marker, on another boot": Left(sent=False, boot="boot-2"),
    "the marker": Left(),
    "the head": Left(head=WHOLE),
    "half a body": Left(head=WHOLE, part=answer_of(ONE)[:60]),
    "half a body without a head": Left(part=answer_of(ONE)[:60]),
    "a body whose picture is whole": Left(
        head=WHOLE, part=answer_of(ONE)[:-2], outcome="done", states=["done"], images=(ONE,), spent=LOW, held=0
    ),
    "a whole body that was not yet synced": Left(
        head=WHOLE, part=answer_of(ONE), outcome="done", states=["done"], images=(ONE,), spent=LOW, held=0
    ),
    "a whole body without a head": Left(
        part=None, body=answer_of(ONE), outcome="done", states=["done"], images=(ONE,), spent=LOW, held=0
    ),
    "a whole body": Left(
        head=WHOLE, part=None, body=answer_of(ONE), outcome="done", states=["done"], images=(ONE,), spent=LOW, held=0
    ),
    "a whole body, on another boot": Left(
        head=WHOLE,
        part=None,
        body=answer_of(ONE),
        boot="boot-2",
        outcome="done",
        states=["done"],
        images=(ONE,),
        spent=LOW,
        held=0,
    ),
    "two pictures, one of them cut": Left(
        head=WHOLE, part=answer_of(ONE, TWO)[:-50], count=2, states=["done", "unknown"], images=(ONE,)
    ),
    "a refusal": Left(
        head=replace(WHOLE, status=400),
        part=None,
        body=REFUSAL,
        outcome="refused",
        states=["refused/content"],
        held=0,
    ),
    "a page": Left(head=replace(WHOLE, status=502), part=None, body=b"<html>bad gateway</html>"),
    "a url that is still there": Left(
        head=WHOLE,
        part=None,
        body=answer_of(URL),
        places={URL: ONE},
        outcome="done",
        states=["done"],
        images=(ONE,),
        spent=LOW,
        held=0,
    ),
    "a url whose picture was fetched": Left(
        head=WHOLE,
        part=None,
        body=answer_of(URL),
        pictures={0: ONE},
        outcome="done",
        states=["done"],
        images=(ONE,),
        spent=LOW,
        held=0,
    ),
    "an expired url": Left(head=WHOLE, part=None, body=answer_of(URL)),
    "two urls, one fetched, one expired": Left(
        head=WHOLE,
        part=None,
        body=answer_of(URL, OTHER),
        pictures={0: ONE},
        count=2,
        states=["done", "unknown"],
        images=(ONE,),
        held=LOW,
    ),
}


def leave(bench: Bench, left: Left) -> Intent:
    """A process that was killed: its intent is in the ledger, its files are in the spool."""
    asked = request(left.count)
    with bench.ledger() as ledger:
        intent = bench.recorded(ledger, ScriptedEndpoint(Script()))._intent(asked)
        if left.part is not None:
            with bench.spool.open(intent.attempt_id, reserve=4096) as flight:
                if left.sent:
                    flight.sent()
                if left.head is not None:
                    flight.head(left.head)
                flight.write(left.part)
        ledger.open_attempt(intent)
    _leave_files(bench, intent, left)
    return intent


def _leave_files(bench: Bench, intent: Intent, left: Left) -> None:
    if left.body is not None:
        with bench.spool.open(intent.attempt_id) as flight:
            flight.sent()
            if left.head is not None:
                flight.head(left.head)
            flight.write(left.body)
            flight.finish()
            for number, data in left.pictures.items():
                flight.keep_picture(number, data)


def serving(left: Left) -> Callable[[str], object]:
    async def fetch(url: str) -> bytes:
        if url not in left.places:
            raise OutcomeUnknown(f"{url}: HTTP 403")
        return left.places[url]

    return fetch


def check(bench: Bench, left: Left) -> None:
    asked = request(left.count)
    assert bench.outcomes() == [left.outcome]
    assert bench.states(asked) == left.states
    assert bench.kept() == {digest_of(data) for data in left.images}
    assert bench.spent() == (left.spent, left.held)
    assert bench.spooled() == []
    assert bool(bench.quarantined()) == (left.outcome == "unknown" and bool(left.head or left.part or left.body))
    assert bench.receipt_outcomes() == ([] if left.outcome == "failed" else [left.outcome])


@pytest.mark.parametrize("name", STATES)
async def test_what_a_killed_process_left_is_settled_from_its_evidence(name: str, tmp_path: Path) -> None:
    left = STATES[name]
    bench = Bench(tmp_path)
    leave(bench, left)
    bench.boot = left.boot
    recovered = await bench.recover(fetch=serving(left))
    check(bench, left)
    assert recovered.images == len(left.images)
    assert (recovered.unknown, recovered.unsent) == (left.outcome == "unknown", left.outcome == "failed")
    assert bench.events == [Note(text=recovered.line)] if recovered.line else bench.events == []
    again = await bench.recover(fetch=serving(left))
    assert again == Recovered()
    check(bench, left)


@pytest.mark.parametrize("name", ["half a body", "two urls, one fetched, one expired", "a url that is still there"])
async def test_recovery_that_is_cut_off_anywhere_and_begun_anew_ends_the_same(name: str, tmp_path: Path) -> None:
    left = STATES[name]
    for at in range(1, 40):
        bench = Bench(tmp_path / str(at))
        leave(bench, left)
        moments = 0

        async def blocking(work, at=at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - any work
            nonlocal moments
            moments += 1
            if moments == at:
                scope.cancel()
            await anyio.lowlevel.checkpoint()
            return work()

        with anyio.CancelScope() as scope:
            await bench.recover(fetch=serving(left), blocking=blocking)
        await bench.recover(fetch=serving(left))
        check(bench, left)
        if moments < at:
            return
    pytest.fail("recovery has more moments than were tried")


async def test_a_receipt_without_a_settlement_is_what_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    intent = leave(bench, STATES["the marker"])
    came = Landed(head=WHOLE, answer=readers()["images"].read(WHOLE, answer_of(ONE)))
    settlement = bench.settler().answered(intent, came, space=intent.space, seconds=1.0)
    bench.receipts.write(intent, settlement)
    await bench.recover()
    assert (bench.outcomes(), bench.states(), bench.spooled()) == (["done"], ["done"], [])


async def test_a_sketch_that_is_found_in_the_spool_goes_to_its_own_space(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    left = replace(STATES["a whole body"], head=SKETCHED)
    leave(bench, left)
    await bench.recover()
    assert bench.states() == ["-"]
    with bench.ledger() as ledger:
        assert len(ledger.slots(SKETCH, [request().steps[0].key])) == 1


async def test_several_attempts_are_told_in_one_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.ledger() as ledger:
        for number, marker in ((1, True), (2, False)):
            intent = replace(
                bench.recorded(ledger, ScriptedEndpoint(Script()))._intent(request(number)),
                attempt_id=AttemptId(f"attempt-{number}"),
            )
            intent = replace(intent, slots=intent.slots[-1:])
            with bench.spool.open(intent.attempt_id) as flight:
                if marker:
                    flight.sent()
            ledger.open_attempt(intent)
    recovered = await bench.recover()
    assert recovered.line == (
        "a run before this one was cut off: 1 unknown (at most $0.10; settle with `pipeline reconcile`),"
        " 1 that never left"
    )


async def test_a_body_that_no_attempt_is_known_for_is_kept_aside(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.spool.open(AttemptId("stranger")) as flight:
        flight.sent()
        flight.write(answer_of(ONE))
        flight.finish()
    with bench.spool.open(AttemptId("nothing")) as flight:
        flight.sent()
    with bench.ledger():
        pass
    await bench.recover()
    assert bench.spooled() == []
    assert [path.name for path in bench.places.quarantine.iterdir() if path.suffix == ".body"] == ["stranger.body"]


async def test_files_of_an_attempt_that_was_settled_just_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))))
    (attempt_id,) = bench.attempt_ids()
    with bench.spool.open(attempt_id) as flight:
        flight.sent()
    assert await bench.recover() == Recovered()
    assert (bench.spooled(), bench.quarantined()) == ([], [])


class Killed(BaseException):
    """The process ends here."""


async def test_beside_a_file_of_another_version_a_missing_mark_proves_nothing(tmp_path: Path) -> None:
    def dies() -> None:
        raise Killed

    bench = Bench(tmp_path)
    with pytest.raises(Killed):
        await bench.buy(ScriptedEndpoint(Script(meanwhile=dies)))
    (path,) = bench.places.spool.glob("*.flights")
    path.write_bytes(b"flights2" + path.read_bytes()[8:])
    await Bench(tmp_path).recover()
    assert (bench.outcomes(), bench.spent()) == (["unknown"], (0, HIGH))
    assert path.exists(), "its own version may have more to say"


async def test_after_recovery_an_attempt_that_never_left_may_be_bought(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    leave(bench, STATES["only room was reserved"])
    await bench.recover()
    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))))
    assert bench.states() == ["done"]


def test_the_claim_of_an_open_attempt_keeps_a_second_one_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    intent = leave(bench, STATES["the marker"])
    with bench.ledger() as ledger, pytest.raises(SlotTaken, match="another attempt"):
        ledger.open_attempt(replace(intent, attempt_id=AttemptId("second")))
