"""A run ends no later than it must: within a twentieth of what work, limits and chains allow, for random ones."""

import gc
import random
from collections.abc import Sequence

import anyio
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.capability import Limits
from pipeline.domain.errors import Answered, NotSent, OutcomeUnknown, PipelineError, ServerFault
from pipeline.domain.record import Rendered
from pipeline.domain.request import ImageRequest
from pipeline.pacing import NetworkGate, Paced, Pacer
from pipeline.retrying import Retrying, RetryPolicy
from pipeline.schedule import Ended, Lane, run_schedule
from tests.pace.hosts import Chains, Count, Job, busiest_minute, in_virtual_time, rendered, request, throttled


class Steady:
    """A host whose answers take what the chain's place says, so that a lower bound can be reckoned."""

    def __init__(self) -> None:
        self.came: list[float] = []

    async def render(self, request: ImageRequest) -> Rendered:
        self.came.append(anyio.current_time())
        await anyio.sleep(float(request.prompt))
        return rendered()


def _makespan(chains: Sequence[tuple[str, ...]], seconds: dict[str, float], limits: dict[str, Limits]) -> float:
    """Seconds that a whole run of *chains* takes where lane *x* answers in ``seconds[x]``; checks every limit."""

    async def main() -> float:
        hosts = {name: Steady() for name in limits}
        pacers = {name: Pacer(limits[name]) for name in limits}

        async def execute(job: Job) -> Ended[str]:
            await Paced(hosts[job.lane], pacers[job.lane]).render(request(str(seconds[job.lane])))
            return Ended(outcome="done")

        lanes = [Lane(name=name, seats=pacer.seat, close=pacer.close) for name, pacer in pacers.items()]
        await run_schedule(Chains(*chains), execute, lanes)
        for name, host in hosts.items():
            assert busiest_minute((at, 1.0) for at in host.came) <= (limits[name].requests_per_minute or 1e9)
        return anyio.current_time()

    return in_virtual_time(main)


def _lower_bound(chains: Sequence[tuple[str, ...]], seconds: dict[str, float], limits: dict[str, Limits]) -> float:
    """max(work / concurrency, requests / rate, longest chain), the largest of all lanes."""
    bounds = [max(sum(seconds[lane] for lane in chain) for chain in chains)]
    for name, limit in limits.items():
        requests = sum(chain.count(name) for chain in chains)
        bounds.append(requests * seconds[name] / (limit.concurrency or 64))
        bounds.append(requests / (limit.requests_per_minute or 1e9) * 60)
    return max(bounds)


@given(
    singles=st.integers(0, 150),
    chained=st.lists(st.integers(2, 6), max_size=25),
    seconds=st.floats(0.2, 60),
    concurrency=st.integers(1, 24),
    per_minute=st.none() | st.integers(3, 600),
)
@settings(max_examples=40, deadline=None)
def test_one_provider_is_used_to_its_limits(
    singles: int, chained: list[int], seconds: float, concurrency: int, per_minute: int | None
) -> None:
    chains = [("a",) * length for length in chained] + [("a",)] * (singles + 1)
    limits = {"a": Limits(concurrency=concurrency, requests_per_minute=per_minute)}
    makespan = _makespan(chains, {"a": seconds}, limits)
    assert makespan <= 1.05 * _lower_bound(chains, {"a": seconds}, limits) + 1.01 * seconds


@pytest.mark.parametrize("seconds", [0.05, 0.25, 1.0, 60.0])
@pytest.mark.parametrize("singles", [17, 22])
def test_a_chain_is_not_held_up_by_works_that_were_prepared_before_its_step_was_ready(
    singles: int, seconds: float
) -> None:
    chains = [("a",) * 5, *[("a",)] * singles]
    waves = -(-(5 + singles) // 5)
    limits = {"a": Limits(concurrency=5)}
    assert _makespan(chains, {"a": seconds}, limits) <= waves * (seconds + 0.01)


@given(
    one=st.integers(1, 80),
    other=st.integers(1, 80),
    seconds=st.tuples(st.floats(0.2, 60), st.floats(0.2, 60)),
    concurrency=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    per_minute=st.tuples(st.none() | st.integers(3, 600), st.none() | st.integers(3, 600)),
)
@settings(max_examples=25, deadline=None)
def test_two_providers_never_wait_for_each_other(
    one: int,
    other: int,
    seconds: tuple[float, float],
    concurrency: tuple[int, int],
    per_minute: tuple[int | None, int | None],
) -> None:
    chains = [("a",)] * one + [("b",)] * other
    names = ("a", "b")
    limits = {
        name: Limits(concurrency=concurrency[at], requests_per_minute=per_minute[at]) for at, name in enumerate(names)
    }
    takes = dict(zip(names, seconds, strict=True))
    assert _makespan(chains, takes, limits) <= 1.05 * _lower_bound(chains, takes, limits) + 1.01 * max(seconds)


@pytest.mark.parametrize("depth", [3, 10])
def test_a_deep_chain_is_not_held_up_by_a_crowd_of_single_works(depth: int) -> None:
    chains = [("a",)] * 60 + [("a",) * depth]
    limits = {"a": Limits(concurrency=32, requests_per_minute=60)}
    bound = _lower_bound(chains, {"a": 10.0}, limits)
    assert _makespan(chains, {"a": 10.0}, limits) <= 1.05 * bound + 10.0


class Night:
    """A host of answers that take 30 to 120 s, with faults of every kind and an outage in the middle."""

    def __init__(self) -> None:
        self.luck = random.Random(11)

    async def probe(self) -> bool:
        return not 30_000 <= anyio.current_time() < 31_000

    async def render(self, request: ImageRequest) -> Rendered:
        if not await self.probe():
            raise NotSent("no connection")
        await anyio.sleep(self.luck.uniform(30, 120))
        chance = self.luck.random()
        if chance < 0.01:
            raise ServerFault("oops", Answered(status=500))
        if chance < 0.02:
            raise throttled(self.luck.choice([None, 10.0]))
        if chance < 0.03:
            raise OutcomeUnknown("cut")
        return rendered()


def test_a_day_of_faults_does_all_it_can_and_nothing_grows() -> None:
    works = 10_000
    objects: list[int] = []
    tasks: list[int] = []
    outcomes: list[str] = []

    async def main() -> None:
        night = Night()
        pacer = Pacer(Limits(concurrency=10, requests_per_minute=12), network=NetworkGate(night.probe))
        policy = RetryPolicy()
        provider = Retrying(
            Paced(night, pacer), policy, recorder=lambda event: None, luck=night.luck.random, halted=pacer.halted
        )

        async def execute(work: int) -> Ended[str]:
            try:
                await provider.render(request("a"))
                ended = Ended(outcome="done")
            except PipelineError as error:
                ended = Ended(outcome="unknown", error=error)
            outcomes.append(ended.outcome)
            tasks.append(trio.lowlevel.current_statistics().tasks_living)
            if len(outcomes) in {2_000, 9_000}:
                gc.collect()
                objects.append(len(gc.get_objects()))
            return ended

        lane = Lane(name="a", workers=64, seats=pacer.seat, close=pacer.close)
        result = await run_schedule(Count(works), execute, [lane])
        assert result.stops == ()
        assert anyio.current_time() < 1.15 * works * 75 / 10

    in_virtual_time(main)
    assert len(outcomes) == works
    assert 0 < outcomes.count("unknown") < works / 50
    assert max(tasks) < 64
    assert objects[1] < objects[0] + 500
