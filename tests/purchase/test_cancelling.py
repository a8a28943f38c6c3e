"""Cancelled at any moment (a second Ctrl-C): what was delivered is recorded, what was sent is unknown and says so."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from pipeline.domain.record import AttemptId
from tests.fakes import Script, ScriptedEndpoint, answer_of, png
from tests.purchase.bench import HIGH, Bench

pytestmark = pytest.mark.anyio

T = TypeVar("T")
ONE = png("one")
URL = "https://cdn.example/1"
BODIES = {"bytes": answer_of(ONE), "a url": answer_of(URL)}
MOST = 60


class Interruption:
    """Cancels at the k-th moment at which the attempt could be made to wait."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.moments = 0
        self.scope = anyio.CancelScope()

    async def moment(self) -> None:
        self.moments += 1
        if self.moments == self.at:
            self.scope.cancel()
        await anyio.lowlevel.checkpoint()

    async def blocking(self, work: Callable[[], T]) -> T:
        await self.moment()
        return work()


async def interrupted(bench: Bench, at: int, body: bytes) -> tuple[ScriptedEndpoint, Interruption]:
    interruption = Interruption(at)
    endpoint = ScriptedEndpoint(Script(body=body, places={URL: ONE}, moment=interruption.moment))
    with interruption.scope:
        await bench.buy(endpoint, blocking=interruption.blocking)
    return endpoint, interruption


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_whatever_was_delivered_is_recorded_whenever_it_is_cancelled(body: bytes, tmp_path: Path) -> None:
    """Also what is told as unsent never left, and nothing is open after the next start."""
    for at in range(1, MOST):
        bench = Bench(tmp_path / str(at))
        endpoint, interruption = await interrupted(bench, at, body)
        if interruption.moments < at:
            assert bench.outcomes() == ["done"]
            return
        after = [] if not bench.places.ledger.exists() else bench.outcomes()
        await bench.recover()
        outcomes = bench.outcomes()
        if endpoint.delivered and (URL.encode() not in body or endpoint.fetched == [URL]):
            assert outcomes in (["done"], ["unknown"])
        if endpoint.delivered and URL.encode() not in body:
            assert (outcomes, bench.states()) == (["done"], ["done"])
        assert outcomes != ["sent"]
        assert bench.spooled() == []
        if outcomes == ["failed"]:
            assert not endpoint.delivered
        if after == ["unknown"]:
            assert bench.spent() == (0, HIGH)
    pytest.fail("the attempt has more moments than were tried")


async def test_cancelled_before_the_first_byte_nothing_is_owed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await interrupted(bench, 2, BODIES["bytes"])
    assert bench.outcomes() == ["failed"]
    assert bench.rows("SELECT message FROM v_attempts") == [("stopped by a second signal before it was sent",)]
    assert (bench.spent(), bench.spooled(), bench.states()) == ((0, 0), [], ["failed"])


@pytest.mark.parametrize(("at", "came"), [(3, []), (4, ["head"]), (5, ["head", "part"])])
async def test_cancelled_on_its_way_it_is_unknown_and_says_why(at: int, came: list[str], tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await interrupted(bench, at, BODIES["bytes"])
    ((outcome, message),) = bench.rows("SELECT outcome, message FROM v_attempts")
    assert (outcome, message) == ("unknown", "stopped by a second signal while the answer was on its way")
    assert (bench.spent(), bench.states()) == ((0, HIGH), ["unknown"])
    assert bench.quarantined() == sorted(["intent", "why", *came])


async def test_cancelled_before_the_intent_nothing_is_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await interrupted(bench, 1, BODIES["bytes"])
    assert (bench.outcomes(), bench.spooled(), bench.attempt_ids()) == ([], [], list[AttemptId]())
