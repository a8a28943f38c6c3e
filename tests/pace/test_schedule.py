"""The schedule: parents first, longest chain first, one failure never stops the rest, and every stop is orderly."""

from collections.abc import Callable

import anyio
import pytest

from pipeline.domain.capability import Limits
from pipeline.domain.errors import (
    Answered,
    BadRequest,
    BudgetReached,
    DiskFull,
    InputFault,
    KeyRefused,
    LedgerFault,
    NetworkDown,
    NoFunds,
    NotStarted,
    OutcomeUnknown,
    PipelineError,
    QuotaGone,
    Refused,
)
from pipeline.domain.event import Event, Note, ProviderStopped
from pipeline.pacing import Paced, Pacer
from pipeline.schedule import Ended, Lane, Stop, StopRules, run_schedule
from tests.pace.hosts import Chains, Count, Counted, Job, in_virtual_time, request


class Workshop:
    """An executor: every job takes *seconds*; *error* says how it ends."""

    def __init__(
        self, seconds: float = 1.0, error: Callable[[Job], PipelineError | Exception | None] = lambda job: None
    ) -> None:
        self.seconds = seconds
        self.error = error
        self.begun: list[Job] = []
        self.done: list[Job] = []
        self.open = 0
        self.most_open = 0

    async def __call__(self, job: Job) -> Ended[str]:
        self.begun.append(job)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await anyio.sleep(self.seconds)
            error = self.error(job)
            if error is not None and not isinstance(error, PipelineError):
                raise error
        finally:
            self.open -= 1
        self.done.append(job)
        return Ended(outcome="done" if error is None else "failed", error=error)


def _singles(count: int, lane: str = "a") -> Chains:
    return Chains(*((lane,) for _ in range(count)))


def test_all_work_of_all_lanes_is_done_parents_first() -> None:
    async def main() -> None:
        source, shop = Chains(("a", "b", "a"), ("b",), ("a", "a")), Workshop()
        result = await run_schedule(source, shop, [Lane(name="a"), Lane(name="b"), Lane(name="idle")])
        assert (result.stops, result.exits, result.started, result.cut) == ((), (), 6, False)
        assert [(job.chain, job.depth) for job in shop.done if job.chain == 0] == [(0, 0), (0, 1), (0, 2)]
        assert anyio.current_time() == 3.0

    in_virtual_time(main)


def test_the_longest_remaining_chain_starts_first() -> None:
    async def main() -> None:
        source, shop = Chains(("a",), ("a",), ("a", "a", "a")), Workshop()
        await run_schedule(source, shop, [Lane(name="a", workers=1)])
        assert [job.chain for job in shop.begun] == [2, 2, 0, 1, 2]

    in_virtual_time(main)


def test_one_failure_never_stops_the_rest_and_its_children_are_not_begun() -> None:
    async def main() -> None:
        shop = Workshop(error=lambda job: BadRequest("size") if job.chain == 1 else None)
        result = await run_schedule(Chains(("a", "a"), ("a", "a"), ("a",)), shop, [Lane(name="a")])
        assert result.stops == ()
        assert sorted((job.chain, job.depth) for job in shop.done) == [(0, 0), (0, 1), (1, 0), (2, 0)]

    in_virtual_time(main)


def test_a_slow_provider_never_holds_up_a_fast_one() -> None:
    async def main() -> None:
        ended: dict[str, float] = {}

        async def execute(job: Job) -> Ended[str]:
            await anyio.sleep(100 if job.lane == "slow" else 1)
            ended[job.lane] = anyio.current_time()
            return Ended(outcome="done")

        source = Chains(*(("slow",) for _ in range(20)), *(("fast",) for _ in range(20)))
        await run_schedule(source, execute, [Lane(name="slow", workers=2), Lane(name="fast", workers=2)])
        assert ended == {"slow": 1000.0, "fast": 10.0}

    in_virtual_time(main)


def test_workers_are_made_on_demand_and_bounded() -> None:
    async def main() -> None:
        shop = Workshop()
        await run_schedule(_singles(100), shop, [Lane(name="a", workers=7)])
        assert shop.most_open == 7
        few = Workshop()
        await run_schedule(_singles(3), few, [Lane(name="a", workers=7)])
        assert few.most_open == 3

    in_virtual_time(main)


def test_works_that_wait_for_a_retry_hold_up_nobody() -> None:
    async def main() -> None:
        pacer, host = Pacer(Limits(concurrency=2)), Counted(lambda: 1.0)
        paced, ended = Paced(host, pacer), []

        async def execute(work: int) -> Ended[None]:
            if work % 2:
                await paced.render(request())
                await anyio.sleep(50)
            await paced.render(request())
            ended.append(anyio.current_time())
            return Ended(outcome=None)

        lane = Lane(name="a", seats=pacer.seat)
        await run_schedule(Count(20), execute, [lane])
        assert sorted(ended)[9] <= 11
        assert max(ended) <= 67

    in_virtual_time(main)


def test_work_is_taken_up_only_when_it_is_about_to_start() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(requests_per_minute=6, concurrency=8))
        paced = Paced(Counted(lambda: 1.0), pacer)
        source, ended = Chains(("a",), ("a", "a", "a"), *(("a",) for _ in range(20))), {}

        async def execute(job: Job) -> Ended[str]:
            await paced.render(request())
            ended[job.chain, job.depth] = anyio.current_time()
            return Ended(outcome="done")

        await run_schedule(source, execute, [Lane(name="a", seats=pacer.seat)])
        assert ended[1, 2] <= 52, "each child waits for one place at most"

    in_virtual_time(main)


# What stops a lane.


@pytest.mark.parametrize(
    ("error", "cause", "status"),
    [
        (KeyRefused("wrong key"), "key", 3),
        (NoFunds("billing limit"), "funds", 4),
        (QuotaGone("come back tomorrow"), "quota", 4),
        (NetworkDown("no connection"), "network", 1),
        (BudgetReached("per_run"), "budget", 12),
    ],
)
def test_some_answers_end_their_lane_while_others_go_on(error: PipelineError, cause: str, status: int) -> None:
    async def main() -> None:
        events: list[Event] = []
        closed: list[str] = []
        shop = Workshop(error=lambda job: error if job.lane == "a" and job.chain == 2 else None)
        source = Chains(*(("a",) for _ in range(12)), *(("b",) for _ in range(12)))
        lanes = [Lane(name="a", workers=3, close=closed.append), Lane(name="b", workers=1)]
        result = await run_schedule(source, shop, lanes, recorder=events.append)
        assert len([job for job in shop.done if job.lane == "a"]) in {3, 4, 5, 6}
        assert len([job for job in shop.done if job.lane == "b"]) == 12
        assert [(stop.lane, stop.cause, stop.exit) for stop in result.stops] == [("a", cause, status)]
        assert str(error) in result.stops[0].why
        assert events == [ProviderStopped(provider="a", why=result.stops[0].why, exit=status)]
        assert bool(closed) is (cause != "budget")
        assert source.stopped == ["a"]

    in_virtual_time(main)


@pytest.mark.parametrize("bound", ["per_asset", "max_exposure", "unpriced"])
def test_a_bound_that_concerns_one_asset_ends_no_lane(bound: str) -> None:
    async def main() -> None:
        shop = Workshop(error=lambda job: BudgetReached("too dear", bound=bound) if job.chain < 2 else None)
        result = await run_schedule(_singles(9), shop, [Lane(name="a", workers=1)])
        assert len(shop.done) == 9
        assert [(stop.cause, stop.exit) for stop in result.stops] == [("budget", 12)]

    in_virtual_time(main)


def test_a_lane_whose_parents_stopped_ends_instead_of_waiting_for_ever() -> None:
    async def main() -> None:
        source = Chains(("a", "b"), ("a", "b"))
        shop = Workshop(error=lambda job: KeyRefused("wrong key") if job.lane == "a" else None)
        with anyio.fail_after(60):
            result = await run_schedule(source, shop, [Lane(name="a", workers=1), Lane(name="b")])
        assert result.exits == (3,)

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("errors", "asked", "cause"),
    [
        ([BadRequest("x")] * 30, 20, "failures"),
        ([OutcomeUnknown("x")] * 30, 5, "unknown"),
        (([BadRequest("x")] * 19 + [None]) * 3, 60, None),
        (([BadRequest("x")] * 19 + [Refused("x")]) * 3, 60, None),
        (([OutcomeUnknown("x")] * 4 + [BadRequest("x")]) * 10, 20, "failures"),
        (([OutcomeUnknown("x")] * 4 + [None]) * 10, 50, None),
        ([Refused("x")] * 60, 60, None),
        ([InputFault("x")] * 60, 60, None),
        ([InputFault("x"), *[BadRequest("x")] * 2] * 20, 30, "failures"),
    ],
)
def test_a_provider_that_keeps_failing_is_left_alone(
    errors: list[PipelineError | None], asked: int, cause: str | None
) -> None:
    async def main() -> None:
        left = list(errors)
        shop = Workshop(error=lambda job: left.pop(0))
        result = await run_schedule(_singles(len(errors)), shop, [Lane(name="a", workers=1)])
        assert len(shop.done) in {asked, asked + 1}
        assert [stop.cause for stop in result.stops] == ([cause] if cause else [])
        assert result.exits == {"failures": (11,), "unknown": (14,), None: ()}[cause]

    in_virtual_time(main)


def test_rows_of_failures_are_counted_for_each_provider_alone() -> None:
    async def main() -> None:
        source = Chains(*(("a",) for _ in range(9)), *(("b",) for _ in range(9)))
        shop = Workshop(error=lambda job: BadRequest("x") if job.lane == "a" else None)
        rules = StopRules(failures_in_a_row=4)
        result = await run_schedule(source, shop, [Lane(name="a", workers=1), Lane(name="b", workers=1)], rules=rules)
        assert [stop.lane for stop in result.stops] == ["a"]
        assert len([job for job in shop.done if job.lane == "b"]) == 9

    in_virtual_time(main)


def test_work_that_a_stopped_lane_shared_becomes_another_lanes() -> None:
    class Shared(Chains):
        def stop(self, lane: str) -> None:
            super().stop(lane)
            self.ready.append(Job(lane="b", chain=0, depth=0, left=0))

    async def main() -> None:
        shop = Workshop(error=lambda job: KeyRefused("wrong key") if job.lane == "a" else None)
        source = Shared(("a",), ("a",))
        await run_schedule(source, shop, [Lane(name="b"), Lane(name="a", workers=1)])
        assert [job.lane for job in shop.done if job.lane == "b"] == ["b"]

    in_virtual_time(main)


# What stops everything.


@pytest.mark.parametrize("error", [DiskFull("no room"), LedgerFault("unreadable")])
@pytest.mark.parametrize("is_raised", [True, False])
def test_a_machine_fault_starts_nothing_anywhere_and_waits_for_what_is_in_flight(
    error: PipelineError, *, is_raised: bool
) -> None:
    async def main() -> None:
        closed: list[str] = []

        async def execute(job: Job) -> Ended[str]:
            await anyio.sleep(1 if job.chain == 0 else 5)
            if job.chain == 0 and is_raised:
                raise error
            return Ended(outcome="done", error=error if job.chain == 0 else None)

        source = Chains(*(("a",) for _ in range(12)), *(("b",) for _ in range(12)))
        lanes = [Lane(name=name, workers=3, close=closed.append) for name in ("a", "b")]
        result = await run_schedule(source, execute, lanes)
        assert [(stop.lane, stop.cause) for stop in result.stops] == [("", "machine")]
        assert result.exits == (1,)
        assert result.started == 6
        assert len(closed) == 2
        assert anyio.current_time() == 5

    in_virtual_time(main)


def test_faults_of_our_own_go_up_as_a_group_after_what_is_in_flight() -> None:
    async def main() -> None:
        shop = Workshop(seconds=2.0)

        async def execute(job: Job) -> Ended[str]:
            if job.chain < 2:
                raise ZeroDivisionError(job.chain)
            return await shop(job)

        with pytest.raises(ExceptionGroup) as raised:
            await run_schedule(_singles(30), execute, [Lane(name="a", workers=5)])
        assert {type(fault) for fault in raised.value.exceptions} == {ZeroDivisionError}
        assert len(shop.done) == len(shop.begun) <= 4
        assert anyio.current_time() <= 2

    in_virtual_time(main)


def test_a_fault_of_the_source_goes_up_in_order_too() -> None:
    class Broken(Count):
        def next(self, lane: str) -> int | None:
            if self.left == 5:
                raise LookupError("no such step")
            return super().next(lane)

    async def main() -> None:
        done = []

        async def execute(work: int) -> Ended[None]:
            await anyio.sleep(3)
            done.append(work)
            return Ended(outcome=None)

        with pytest.raises(ExceptionGroup):
            await run_schedule(Broken(8), execute, [Lane(name="a")])
        assert len(done) == 3

    in_virtual_time(main)


@pytest.mark.parametrize("is_marked", [True, False])
def test_fail_fast_stops_at_the_first_failure(*, is_marked: bool) -> None:
    async def main() -> None:
        async def execute(job: Job) -> Ended[str]:
            await anyio.sleep(1)
            error = None if is_marked else Refused("no")
            return Ended(outcome="failed", error=error, failed=is_marked)

        lanes = [Lane(name="a", workers=2)]
        result = await run_schedule(_singles(20), execute, lanes, rules=StopRules(fail_fast=True))
        assert result.started == 2
        assert result.exits == (11,)

    in_virtual_time(main)


def test_the_first_signal_waits_for_answers_in_flight() -> None:
    async def main() -> None:
        events: list[Event] = []
        stop, shop = Stop(), Workshop(seconds=10.0)
        async with anyio.create_task_group() as tasks:

            async def person() -> None:
                await anyio.sleep(3)
                stop.request("interrupted", exit=143)

            tasks.start_soon(person)
            result = await run_schedule(
                _singles(50), shop, [Lane(name="a", workers=4)], stop=stop, recorder=events.append
            )
        assert len(shop.done) == 4
        assert (result.exits, result.cut) == ((143,), False)
        assert anyio.current_time() == 10
        assert [type(event) for event in events] == [Note]
        assert "4 in flight" in str(events[0])

    in_virtual_time(main)


def test_the_second_signal_stops_at_once_and_leaves_nothing_running() -> None:
    async def main() -> None:
        stop, shop = Stop(), Workshop(seconds=10.0)
        async with anyio.create_task_group() as tasks:

            async def person() -> None:
                await anyio.sleep(3)
                stop.request("interrupted")
                await anyio.sleep(0.1)
                stop.request("terminated", exit=143)
                await anyio.sleep(1)
                assert shop.open == 4, "make forwards the same wish: that is no second one"
                stop.request("terminated", exit=143)

            tasks.start_soon(person)
            result = await run_schedule(_singles(50), shop, [Lane(name="a", workers=4)], stop=stop)
        assert (shop.done, shop.open) == ([], 0)
        assert (result.exits, result.cut) == ((130,), True)
        assert anyio.current_time() == pytest.approx(4.1)

    in_virtual_time(main)


def test_a_signal_before_the_start_starts_nothing() -> None:
    async def main() -> None:
        stop, shop = Stop(), Workshop()
        stop.request("interrupted")
        result = await run_schedule(_singles(5), shop, [Lane(name="a", workers=1)], stop=stop)
        assert shop.begun == []
        assert result.exits == (130,)

    in_virtual_time(main)


def test_a_cancelled_run_leaves_nothing_running() -> None:
    async def main() -> None:
        pacer, host = Pacer(Limits(concurrency=4)), Counted(lambda: 10.0)
        paced = Paced(host, pacer)

        async def execute(work: int) -> Ended[None]:
            await paced.render(request())
            return Ended(outcome=None)

        with anyio.move_on_after(25):
            await run_schedule(Count(100), execute, [Lane(name="a", seats=pacer.seat)])
        asked = len(host.came)
        assert (pacer.in_flight, pacer.waiting, host.at_once) == (0, 0, 0)
        await anyio.sleep(1000)
        assert len(host.came) == asked

    in_virtual_time(main)


# The deadline.


def test_nothing_is_started_that_would_end_after_the_deadline() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(concurrency=2))
        host = Counted(lambda: 10.0)
        paced, planned = Paced(host, pacer), []

        async def execute(work: int) -> Ended[str]:
            try:
                await paced.render(request())
            except NotStarted as error:
                planned.append(work)
                return Ended(outcome="planned", error=error)
            return Ended(outcome="done")

        lane = Lane(name="a", seats=pacer.seat, close=pacer.close, expected=pacer.seconds)
        result = await run_schedule(Count(100), execute, [lane], deadline=45.0)
        assert anyio.current_time() == pytest.approx(40, abs=0.01)
        assert len(host.came) == 8
        assert [(stop.lane, stop.cause, stop.exit) for stop in result.stops] == [("a", "deadline", 13)]

    in_virtual_time(main)


def test_a_deadline_after_the_last_start_stops_nothing() -> None:
    async def main() -> None:
        shop = Workshop(seconds=10.0)
        lane = Lane(name="a", workers=5, expected=lambda: 10.0)
        result = await run_schedule(_singles(5), shop, [lane], deadline=10.5)
        assert (len(shop.done), result.stops) == (5, ())

    in_virtual_time(main)


def test_a_deadline_that_has_passed_starts_nothing() -> None:
    async def main() -> None:
        await anyio.sleep(10)
        shop = Workshop()
        result = await run_schedule(_singles(5), shop, [Lane(name="a")], deadline=5.0)
        assert (shop.begun, result.exits) == ([], (13,))
        nothing = await run_schedule(_singles(0), shop, [Lane(name="a")], deadline=5.0)
        assert nothing.exits == ()

    in_virtual_time(main)


def test_works_at_the_door_are_not_started_after_the_deadline() -> None:
    async def main() -> None:
        pacer, ended = Pacer(Limits(requests_per_minute=1)), []
        paced = Paced(Counted(lambda: 1.0), pacer)

        async def execute(work: int) -> Ended[str]:
            try:
                await paced.render(request())
            except NotStarted as error:
                ended.append("planned")
                return Ended(outcome="planned", error=error)
            ended.append("done")
            return Ended(outcome="done")

        lane = Lane(name="a", seats=pacer.seat, close=pacer.close, expected=pacer.seconds)
        result = await run_schedule(Count(2), execute, [lane], deadline=30.0)
        assert ended == ["done", "planned"]
        assert result.exits == (13,)
        assert anyio.current_time() <= 30

    in_virtual_time(main)


def test_answers_that_carry_an_error_are_handed_to_the_source_like_all_others() -> None:
    async def main() -> None:
        source = _singles(3)
        shop = Workshop(error=lambda job: KeyRefused("wrong", Answered(status=401)) if job.chain == 0 else None)
        await run_schedule(source, shop, [Lane(name="a")])
        assert sorted(str(outcome) for outcome in source.outcomes) == ["done", "done", "failed"]

    in_virtual_time(main)


@pytest.mark.anyio
async def test_it_runs_on_asyncio_too() -> None:
    shop = Workshop(seconds=0.0)
    result = await run_schedule(Chains(("a", "b"), ("b", "a")), shop, [Lane(name="a"), Lane(name="b")])
    assert (len(shop.done), result.stops) == (4, ())
