"""Every ending of an attempt: what the ledger, the spool, the receipts, the money and the listeners have of it."""

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.domain.digest import Json, digest_of
from pipeline.domain.errors import (
    Answered,
    BadRequest,
    KeyRefused,
    ModelMissing,
    NoFunds,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    QuotaGone,
    Refused,
    ServerFault,
    Throttled,
)
from pipeline.domain.event import AttemptEnded, AttemptSent
from pipeline.domain.image import Format
from pipeline.domain.record import PAID, SKETCH, Outcome, State
from pipeline.domain.request import Head
from pipeline.domain.step import Accept
from pipeline.ledger import SlotTaken
from tests.fakes import WHOLE, Script, ScriptedEndpoint, answer_of, png
from tests.purchase.bench import ENDPOINT, HIGH, LOW, Bench, request

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = png("one"), png("two"), png("three")
CUT_PICTURE = ONE[:-13]
SKETCHED = replace(WHOLE, headers={**WHOLE.headers, "x-pipeline-sketch": "1"})
USAGE: Json = {"input_tokens": 10, "output_tokens": 100, "input_tokens_details": {"text_tokens": 10, "image_tokens": 0}}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A script and everything it must leave behind. states: of the slots. spent, held: micro-USD in the ledger."""

    script: Script
    raises: type[Exception] | None = None
    count: int = 1
    outcome: str = "done"
    states: list[str] = field(default_factory=lambda: ["done"])
    images: tuple[bytes, ...] = ()
    spent: int = 0
    held: int = 0
    quarantine: bool = False
    receipt: bool = True


def failing(error: ProviderError, outcome: str, state: str, *, held: int = 0) -> Ending:
    """The host answered with an error."""
    return Ending(
        script=Script(body=b'{"error": {}}', head=Head(status=400, headers={}, seconds=1), error=error),
        raises=type(error),
        outcome=outcome,
        states=[state],
        held=held,
        quarantine=outcome == "unknown",
        receipt=outcome != "failed",
    )


def unknown(script: Script, *, held: int = HIGH) -> Ending:
    """Nothing of use came of one picture that may have been billed. held: LOW where the usage says what it cost."""
    return Ending(
        script=script, raises=OutcomeUnknown, outcome="unknown", states=["unknown"], held=held, quarantine=True
    )


ENDINGS = {
    "a picture": Ending(script=Script(body=answer_of(ONE)), images=(ONE,), spent=LOW),
    "two pictures": Ending(
        script=Script(body=answer_of(ONE, TWO)), count=2, states=["done", "done"], images=(ONE, TWO), spent=LOW
    ),
    "throttled": failing(Throttled("wait"), "failed", "failed"),
    "server fault": failing(ServerFault("oops"), "failed", "failed"),
    "not sent": replace(
        failing(NotSent("no line"), "failed", "failed"), script=Script(sends=False, head=None, error=NotSent("no line"))
    ),
    "refused": failing(Refused("no", Answered(stage="output")), "refused", "refused/output"),
    "refused without a stage": failing(Refused("no"), "refused", "refused/content"),
    "bad request": failing(BadRequest("no such size"), "failed", "failed/rejected"),
    "model missing": failing(ModelMissing("no such model"), "failed", "failed/model"),
    "key refused": failing(KeyRefused("no"), "failed", "failed"),
    "no funds": failing(NoFunds("no"), "failed", "failed"),
    "quota gone": failing(QuotaGone("no"), "failed", "failed"),
    "unknown": failing(OutcomeUnknown("502"), "unknown", "unknown", held=HIGH),
    "dropped before the head": unknown(Script(head=None, error=OutcomeUnknown("reset"))),
    "cut in the middle of a picture": unknown(Script(body=answer_of(ONE)[:90], cut=True)),
    "cut after a whole picture": Ending(script=Script(body=answer_of(ONE)[:-3], cut=True), images=(ONE,), spent=LOW),
    "cut after the first of two": Ending(
        script=Script(body=answer_of(ONE, TWO)[:-40], cut=True),
        count=2,
        outcome="unknown",
        states=["done", "unknown"],
        images=(ONE,),
        held=HIGH,
        quarantine=True,
    ),
    "a whole answer on a cut line": Ending(script=Script(body=answer_of(ONE), cut=True), images=(ONE,), spent=LOW),
    "a broken picture": unknown(Script(body=answer_of(CUT_PICTURE)), held=LOW),
    "one of two broken": Ending(
        script=Script(body=answer_of(CUT_PICTURE, TWO)),
        count=2,
        outcome="unknown",
        states=["unknown", "done"],
        images=(TWO,),
        held=LOW,
        quarantine=True,
    ),
    "no pictures": unknown(Script(body=b'{"data": []}')),
    "a page": unknown(Script(body=b"<html>hello</html>")),
    "fewer than asked": Ending(
        script=Script(body=answer_of(ONE)), count=2, states=["done", "planned"], images=(ONE,), spent=LOW
    ),
    "more than asked": Ending(script=Script(body=answer_of(ONE, TWO)), images=(ONE, TWO), spent=LOW),
    "more than asked, the rest broken": Ending(
        script=Script(body=answer_of(ONE, CUT_PICTURE)), images=(ONE,), spent=LOW
    ),
    "a url": Ending(
        script=Script(body=answer_of("https://cdn.example/1"), places={"https://cdn.example/1": ONE}),
        images=(ONE,),
        spent=LOW,
    ),
    "an expired url": unknown(Script(body=answer_of("https://cdn.example/1"))),
    "one of two urls expired": Ending(
        script=Script(
            body=answer_of("https://cdn.example/1", "https://cdn.example/2"), places={"https://cdn.example/2": TWO}
        ),
        count=2,
        outcome="unknown",
        states=["unknown", "done"],
        images=(TWO,),
        held=LOW,
        quarantine=True,
    ),
    "a url beside bytes": Ending(
        script=Script(body=answer_of(ONE, "https://cdn.example/2"), places={"https://cdn.example/2": TWO}),
        count=2,
        states=["done", "done"],
        images=(ONE, TWO),
        spent=LOW,
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_every_ending_is_written_down(name: str, tmp_path: Path) -> None:
    ending, bench = ENDINGS[name], Bench(tmp_path)
    asked = request(ending.count)
    endpoint = ScriptedEndpoint(ending.script)
    if ending.raises:
        with pytest.raises(ending.raises):
            await bench.buy(endpoint, asked)
    else:
        brought = await bench.buy(endpoint, asked)
        assert [kept.state.value if kept else "-" for kept in brought.kept] == [
            "done" if state == "done" else "-" for state in ending.states
        ]
        assert (brought.unknown is not None) == (ending.outcome == "unknown")
    assert bench.outcomes() == [ending.outcome]
    assert bench.states(asked) == ending.states
    assert bench.kept() == {digest_of(data) for data in ending.images}
    assert bench.spent() == (ending.spent, ending.held)
    assert bench.spooled() == []
    assert bool(bench.quarantined()) == ending.quarantine
    assert bench.receipt_outcomes() == ([ending.outcome] if ending.receipt else [])
    sent, ended = bench.events
    assert isinstance(sent, AttemptSent)
    assert isinstance(ended, AttemptEnded)
    assert (sent.worst, sent.repeat) == (HIGH, False)
    assert (ended.outcome, ended.images, ended.usd) == (
        ending.outcome,
        len(ending.images),
        ending.spent + ending.held,
    )


@pytest.mark.parametrize("name", [name for name, ending in ENDINGS.items() if ending.receipt and ending.count > 1])
async def test_every_receipt_makes_the_same_slots_again(name: str, tmp_path: Path) -> None:
    ending, bench = ENDINGS[name], Bench(tmp_path)
    asked = request(ending.count)
    with suppress(ProviderError):
        await bench.buy(ScriptedEndpoint(ending.script), asked)
    bench.places.ledger.unlink()
    with bench.ledger(begin=False) as ledger:
        for receipt in bench.receipts.walk():
            ledger.replay(receipt.intent, receipt.settlement)  # type: ignore[union-attr]
    assert bench.states(asked) == ending.states
    assert bench.spent() == (ending.spent, ending.held)


async def test_the_sent_row_is_durable_before_the_request_leaves(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    seen: list[object] = []

    def look() -> None:
        seen.append(bench.rows("SELECT outcome, ended_at FROM v_attempts"))
        seen.append(bench.spent())

    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE), meanwhile=look)))
    assert seen == [[("sent", None)], (0, HIGH)]
    assert bench.outcomes() == ["done"]


async def test_room_for_the_answer_is_reserved_before_the_request_leaves(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    sizes: list[int] = []

    def look() -> None:
        sizes.extend(path.stat().st_blocks * 512 for path in bench.places.spool.glob("*.flights"))

    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE), meanwhile=look)), request(2, size="1024x1024"))
    assert sizes[0] >= 2 * 1024 * 1024


async def test_what_the_host_bills_is_what_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    brought = await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE, usage=USAGE))))
    assert brought.cost == 10 * 5 + 100 * 30
    assert bench.spent() == (brought.cost, 0)
    assert bench.rows("SELECT usd_is_estimate FROM v_attempts") == [(0,)]


async def test_a_picture_of_our_own_gateway_goes_to_the_sketch_space(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE), head=SKETCHED)))
    assert bench.states() == ["-"]
    with bench.ledger() as ledger:
        assert ledger.space_of(ENDPOINT) == SKETCH
        (slot,) = ledger.slots(SKETCH, [request().steps[0].key]).values()
    assert slot.state is State.DONE


@pytest.mark.parametrize("cut", [True, False])
async def test_also_of_an_answer_that_was_cut_or_is_an_error(cut: bool, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = Script(body=answer_of(ONE)[:-3] if cut else b"{}", head=SKETCHED, cut=cut, error=Refused("no"))
    try:
        await bench.buy(ScriptedEndpoint(script))
    except Refused:
        assert not cut
    assert bench.states() == ["-"]
    assert bench.rows("SELECT count(*) FROM slots WHERE space = 'sketch'") == [(1,)]


@pytest.mark.parametrize(
    ("accept", "width", "state", "warning"),
    [
        (Accept(), 4, "done", "asked 3x2, got 4x2"),
        (Accept(size="exact"), 4, "failed/mismatch", "asked 3x2, got 4x2"),
        (Accept(size="exact"), 3, "done", ""),
        (Accept(format="exact"), 4, "done", "asked 3x2, got 4x2"),
    ],
)
async def test_another_size_than_asked_is_what_accept_says(
    accept: Accept, width: int, state: str, warning: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    asked = request(accept=accept, size="3x2")
    brought = await bench.buy(ScriptedEndpoint(Script(body=answer_of(png("x", width=width)))), asked)
    assert bench.states(asked) == [state]
    assert brought.kept[0] is not None
    assert brought.kept[0].warnings == ((warning,) if warning else ())
    assert bench.outcomes() == ["done"], "it was billed either way"


async def test_an_opaque_answer_is_paid_kept_and_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    asked = request(background="transparent")
    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))), asked)
    assert bench.states(asked) == ["failed/opaque"]
    assert (bench.outcomes(), bench.spent(), bench.kept()) == (["done"], (LOW, 0), {digest_of(ONE)})


async def test_a_clear_answer_is_what_was_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    asked = request(background="transparent")
    brought = await bench.buy(ScriptedEndpoint(Script(body=answer_of(png("x", alpha=True)))), asked)
    assert bench.states(asked) == ["done"]
    assert brought.kept[0] is not None
    facts = brought.kept[0].image.facts
    assert facts.format is Format.PNG
    assert facts.transparent_share == pytest.approx(1 / 3)


async def test_what_is_there_is_never_bought_again_unasked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    endpoint = ScriptedEndpoint(Script(body=answer_of(ONE)))
    await bench.buy(endpoint)
    with pytest.raises(SlotTaken, match="the ledger has it"):
        await bench.buy(endpoint)
    assert len(endpoint.asked) == 1
    assert bench.spooled() == []
    endpoint.script = Script(body=answer_of(TWO))
    await bench.buy(endpoint, replace(request(), renew=True))
    assert bench.kept() == {digest_of(ONE), digest_of(TWO)}


async def test_what_is_unknown_is_never_bought_again_unasked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    endpoint = ScriptedEndpoint(Script(error=OutcomeUnknown("502")))
    with pytest.raises(OutcomeUnknown):
        await bench.buy(endpoint)
    with pytest.raises(SlotTaken):
        await bench.buy(endpoint)
    assert len(endpoint.asked) == 1


async def test_a_repeat_is_told_as_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.ledger() as ledger:
        endpoint = ScriptedEndpoint(Script(error=ServerFault("oops")))
        recorded = bench.recorded(ledger, endpoint)
        for _ in range(2):
            with pytest.raises(ServerFault):
                await recorded.render(request())
    assert [event.repeat for event in bench.events if isinstance(event, AttemptSent)] == [False, True]
    assert bench.rows("SELECT requests FROM v_runs") == [(2,)]


async def test_the_third_cut_at_the_same_second_names_a_proxy(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.ledger() as ledger:
        recorded = bench.recorded(ledger, ScriptedEndpoint(Script(error=OutcomeUnknown("reset"))), cuts=[0.0, 0.0])
        recorded.cuts[:] = [60.1, 59.9]
        with pytest.raises(OutcomeUnknown):
            await recorded.render(request())
        (row,) = ledger.attempts()
    assert (row.outcome, row.culprit) == (Outcome.UNKNOWN, "")
    assert len(recorded.cuts) == 3


async def test_neither_picture_nor_base64_reaches_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.buy(ScriptedEndpoint(Script(body=answer_of(ONE))))
    text = json.loads(answer_of(ONE))["data"][0]["b64_json"].encode()
    ledger = b"".join(path.read_bytes() for path in bench.places.state.glob("ledger.db*"))
    assert ONE not in ledger
    assert text[:40] not in ledger
    assert PAID == ""
