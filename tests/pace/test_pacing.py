"""One door for all workers of a key: as fast as the limits allow, never over them."""

import random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.capability import Limits
from pipeline.domain.errors import (
    Answered,
    BudgetReached,
    NotStarted,
    ProviderError,
    QuotaGone,
    Refused,
    ServerFault,
)
from pipeline.domain.event import CoolDown, Event
from pipeline.domain.record import Rendered
from pipeline.domain.request import ImageRequest
from pipeline.pacing import Paced, Pacer
from tests.pace.hosts import (
    Counted,
    Scripted,
    ask_all,
    busiest_minute,
    in_virtual_time,
    rendered,
    request,
    throttled,
)


@given(
    limits=st.builds(
        Limits,
        concurrency=st.none() | st.integers(1, 12),
        requests_per_minute=st.none() | st.integers(2, 300),
        images_per_minute=st.none() | st.integers(4, 300),
        tokens_per_minute=st.none() | st.integers(1000, 30000),
    ),
    count=st.integers(1, 4),
    tokens=st.integers(0, 900),
    seed=st.integers(0, 10**6),
    refusals=st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_no_window_of_a_minute_exceeds_any_limit_whatever_is_answered(
    limits: Limits, count: int, tokens: int, seed: int, refusals: float
) -> None:
    luck = random.Random(seed)

    def error() -> ProviderError | None:
        chance = luck.random()
        if chance < refusals:
            return throttled(luck.choice([None, 1.0, 5.0]))
        return ServerFault("oops", Answered(status=500)) if chance < 1.5 * refusals else None

    async def main() -> None:
        host = Counted(lambda: luck.uniform(0, 30), error)
        await ask_all(Pacer(limits), host, 120, count=count, tokens=tokens)
        assert len(host.came) == 120
        assert busiest_minute((at, 1.0) for at, _, _ in host.came) <= (limits.requests_per_minute or 999)
        assert busiest_minute((at, float(n)) for at, n, _ in host.came) <= (limits.images_per_minute or 999)
        assert busiest_minute((at, float(t)) for at, _, t in host.came) <= (limits.tokens_per_minute or 999_999)
        assert host.most_at_once <= (limits.concurrency or 64)

    in_virtual_time(main)


def test_a_cancelled_wait_takes_nothing_and_holds_up_nobody() -> None:
    async def main() -> None:
        pacer, host = Pacer(Limits(requests_per_minute=6)), Scripted()
        paced = Paced(host, pacer)
        await paced.render(request())
        with anyio.move_on_after(5):
            await paced.render(request())
        await paced.render(request())
        assert host.asked == [pytest.approx(0.0), pytest.approx(10.0)]
        assert (pacer.waiting, pacer.in_flight) == (0, 0)

    in_virtual_time(main)


def test_what_was_never_sent_gives_its_place_back() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(requests_per_minute=1, images_per_day=1))
        with pytest.raises(BudgetReached):
            await Paced(Scripted(BudgetReached("no")), pacer).render(request())
        host = Scripted()
        await Paced(host, pacer).render(request())
        assert host.asked == [0.0]

    in_virtual_time(main)


def test_a_request_that_leaves_late_counts_from_when_it_left() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(requests_per_minute=2, concurrency=4))
        sent: list[float] = []

        class WaitsForMoney:
            async def render(self, request: ImageRequest) -> Rendered:
                if len(sent) < 2:
                    await anyio.sleep(40)
                pacer.sending()
                sent.append(anyio.current_time())
                await anyio.sleep(1)
                return rendered()

        await ask_all(pacer, WaitsForMoney(), 4)
        assert busiest_minute((at, 1.0) for at in sent) <= 2

    in_virtual_time(main)


def test_cancelled_before_it_left_gives_its_place_back_where_leaving_is_told() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(requests_per_minute=1))

        class Told:
            async def render(self, request: ImageRequest) -> Rendered:
                pacer.sending()
                return rendered()

        await Paced(Told(), pacer).render(request())
        await anyio.sleep(61)
        with anyio.move_on_after(5):
            await Paced(Scripted(seconds=100), pacer).render(request())
        before = anyio.current_time()
        await Paced(Told(), pacer).render(request())
        assert anyio.current_time() == before

    in_virtual_time(main)


class Lands:
    """Answers after a second, is kept then, and has other things to do for ten more. error: what it ends in."""

    def __init__(self, pacer: Pacer, error: Exception | None = None) -> None:
        self.pacer = pacer
        self.error = error
        self.asked: list[float] = []

    async def render(self, request: ImageRequest) -> Rendered:
        self.asked.append(anyio.current_time())
        await anyio.sleep(1)
        self.pacer.landed()
        self.pacer.landed()
        await anyio.sleep(10)
        if self.error is not None:
            raise self.error
        return rendered()


def test_the_place_of_an_answer_that_is_kept_is_the_next_ones_at_once() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(concurrency=2))
        host = Lands(pacer)
        start = anyio.current_time()
        await ask_all(pacer, host, 6)
        assert [round(at - start) for at in host.asked] == [0, 0, 1, 1, 2, 2]
        assert pacer.in_flight == 0
        assert pacer.seconds() == pytest.approx(1.0, abs=0.1)

    in_virtual_time(main)


def test_how_a_turn_ends_whose_answer_was_kept_teaches_nothing() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(concurrency=1))
        with pytest.raises(ProviderError):
            await Paced(Lands(pacer, throttled(20.0)), pacer).render(request())
        before = anyio.current_time()
        await ask_all(pacer, Lands(pacer), 1)
        assert anyio.current_time() - before == pytest.approx(11, abs=0.1)
        assert pacer.in_flight == 0

    in_virtual_time(main)


def test_landing_outside_of_a_turn_is_nothing() -> None:
    pacer = Pacer(Limits(concurrency=1))
    pacer.landed()
    assert pacer.in_flight == 0


def test_a_429_cools_down_every_worker_of_the_key_and_says_so_once() -> None:
    async def main() -> None:
        events: list[Event] = []
        pacer = Pacer(Limits(concurrency=8), provider="host", recorder=events.append)
        host = Scripted(throttled(20.0), throttled(20.0), None, seconds=1.0)
        await ask_all(pacer, host, 8)
        first, later = host.asked[:8], host.asked[8:]
        assert not later
        assert max(first) < 1
        start = anyio.current_time()
        await ask_all(pacer, host, 1)
        assert host.asked[-1] >= 21.0 > start
        told = [event for event in events if isinstance(event, CoolDown)]
        assert [(event.provider, round(event.seconds)) for event in told] == [("host", 20)]

    in_virtual_time(main)


def test_a_closed_pacer_starts_nothing_and_says_why() -> None:
    async def main() -> None:
        pacer, host = Pacer(Limits(requests_per_minute=1)), Scripted(seconds=5.0)
        paced, ended = Paced(host, pacer), []

        async def one() -> None:
            try:
                await paced.render(request())
                ended.append("done")
            except NotStarted as error:
                ended.append(str(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)
            await anyio.sleep(1)
            pacer.close("key refused")
            pacer.close("something else")
        assert sorted(ended) == ["done", "key refused", "key refused"]
        assert anyio.current_time() == pytest.approx(5.0)
        (await pacer.seat()).leave()

    in_virtual_time(main)


def test_the_days_images_are_a_quota_that_stops_and_counts_pictures() -> None:
    async def main() -> None:
        pacer, host = Pacer(Limits(images_per_day=10), used_today=4), Scripted(Refused("no"))
        paced = Paced(host, pacer)
        with pytest.raises(Refused):
            await paced.render(request(count=4))
        await paced.render(request(count=4))
        with pytest.raises(QuotaGone, match="10 images"):
            await paced.render(request(count=4))
        await paced.render(request(count=2))
        await anyio.sleep(86_400)
        await paced.render(request(count=4))
        assert len(host.asked) == 4

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("limits", "taken"), [(Limits(concurrency=3), 3), (Limits(requests_per_minute=6), 1), (Limits(), 4)]
)
def test_seats_are_as_many_as_could_start_now(limits: Limits, taken: int) -> None:
    async def main() -> None:
        pacer, seats = Pacer(limits), []
        with anyio.move_on_after(0.1):
            while True:
                seats.append(await pacer.seat())
        assert len(seats) == taken
        seats[0].leave()
        seats[0].leave()
        with anyio.fail_after(1):
            await pacer.seat()

    in_virtual_time(main)
