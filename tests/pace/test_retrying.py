"""What surely was not billed and may pass is asked again; nothing else is."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import (
    Answered,
    BadRequest,
    BudgetReached,
    DiskFull,
    InputFault,
    KeyRefused,
    ModelMissing,
    NoFunds,
    NotSent,
    NotStarted,
    OutcomeUnknown,
    ProviderError,
    QuotaGone,
    Refused,
    ServerFault,
)
from pipeline.domain.event import Backoff, Event
from pipeline.retrying import Retrying, RetryPolicy
from tests.pace.hosts import Scripted, in_virtual_time, request, throttled


def _fault(retry_after: float | None = None) -> ServerFault:
    return ServerFault("the server had an error", Answered(status=500, retry_after=retry_after))


def _retrying(
    host: Scripted,
    policy: RetryPolicy | None = None,
    *,
    events: list[Event] | None = None,
    unknown_retries: int = 0,
    halted: anyio.Event | None = None,
    luck: float = 1.0,
) -> Retrying:
    told: list[Event] = [] if events is None else events
    return Retrying(
        host,
        policy or RetryPolicy(),
        recorder=told.append,
        luck=lambda: luck,
        provider_name="host",
        unknown_retries=unknown_retries,
        halted=halted,
    )


@pytest.mark.parametrize(
    ("attempt", "error", "luck", "seconds"),
    [
        (1, _fault(), 1.0, 2.0),
        (2, _fault(), 1.0, 4.0),
        (3, _fault(), 0.5, 4.0),
        (20, _fault(), 1.0, 90.0),
        (5000, _fault(), 1.0, 90.0),
        (4, _fault(), 0.0, 0.0),
        (1, _fault(30.0), 0.0, 30.0),
        (1, _fault(30.0), 1.0, 32.0),
        (1, throttled(), 0.5, 1.0),
        (9, throttled(1.0), 1.0, 1.1),
        (1, throttled(600.0), 1.0, 602.0),
    ],
)
def test_waits_double_with_full_jitter_and_never_undercut_the_host(
    attempt: int, error: ProviderError, luck: float, seconds: float
) -> None:
    assert RetryPolicy().wait(attempt, error, lambda: luck) == pytest.approx(seconds)


@given(
    attempt=st.integers(1, 10_000),
    asked=st.none() | st.floats(0, 1e6),
    luck=st.floats(0, 1),
    is_throttled=st.booleans(),
)
def test_no_wait_is_earlier_than_asked_or_longer_than_the_longest_on_top(
    attempt: int, asked: float | None, luck: float, is_throttled: bool
) -> None:
    error = throttled(asked) if is_throttled else _fault(asked)
    wait = RetryPolicy(first_wait=1, longest_wait=7).wait(attempt, error, lambda: luck)
    assert (asked or 0) <= wait <= (asked or 0) + 7


@pytest.mark.parametrize(
    "error",
    [
        Refused("no"),
        BadRequest("no"),
        ModelMissing("no"),
        KeyRefused("no"),
        NoFunds("no"),
        QuotaGone("no"),
        OutcomeUnknown("perhaps"),
        BudgetReached("no"),
        NotStarted("no"),
        InputFault("no"),
        DiskFull("no"),
        ValueError("a fault of our own"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_repeating_does_not_mend_goes_up_at_once(error: Exception) -> None:
    async def main() -> None:
        host = Scripted(error)
        with pytest.raises(type(error)) as raised:
            await _retrying(host).render(request())
        assert raised.value is error
        assert len(host.asked) == 1

    in_virtual_time(main)


@pytest.mark.parametrize("make", [_fault, lambda: NotSent("no connection")])
def test_faults_are_asked_again_within_the_attempts(make: type[ProviderError]) -> None:
    async def main() -> None:
        host = Scripted(*(make() for _ in range(9)))  # type: ignore[call-arg]
        with pytest.raises(ProviderError):
            await _retrying(host, RetryPolicy(attempts=3)).render(request())
        assert host.asked == [0.0, 2.0, 6.0]
        once = Scripted(make())  # type: ignore[call-arg]
        with pytest.raises(ProviderError):
            await _retrying(once, RetryPolicy(attempts=1)).render(request())
        assert len(once.asked) == 1

    in_virtual_time(main)


def test_throttling_counts_as_no_attempt_and_is_waited_out() -> None:
    async def main() -> None:
        host = Scripted(*(throttled(60.0) for _ in range(30)), _fault(), _fault())
        await _retrying(host, RetryPolicy(attempts=3)).render(request())
        assert len(host.asked) == 33

    in_virtual_time(main)


def test_throttling_beyond_the_patience_goes_up() -> None:
    async def main() -> None:
        host = Scripted(*(throttled(600.0) for _ in range(30)))
        with pytest.raises(ProviderError):
            await _retrying(host, RetryPolicy(patience=3600)).render(request())
        assert 5 <= len(host.asked) <= 7
        assert anyio.current_time() <= 3600
        again = Scripted(throttled(86_400.0))
        before = anyio.current_time()
        with pytest.raises(ProviderError):
            await _retrying(again).render(request())
        assert anyio.current_time() == before

    in_virtual_time(main)


def test_the_patience_begins_anew_when_something_else_happened() -> None:
    async def main() -> None:
        host = Scripted(throttled(3000.0), _fault(1000.0), throttled(3000.0))
        await _retrying(host).render(request())
        assert len(host.asked) == 4

    in_virtual_time(main)


@pytest.mark.parametrize(("retries", "posts"), [(0, 1), (1, 2), (2, 3)])
def test_unknown_outcomes_are_bought_again_only_as_often_as_allowed(retries: int, posts: int) -> None:
    async def main() -> None:
        host = Scripted(*(OutcomeUnknown("cut") for _ in range(9)))
        with pytest.raises(OutcomeUnknown):
            await _retrying(host, unknown_retries=retries).render(request())
        assert len(host.asked) == posts

    in_virtual_time(main)


def test_every_backoff_is_told_with_its_reason() -> None:
    async def main() -> None:
        events: list[Event] = []
        host = Scripted(_fault(), throttled(7.0))
        await _retrying(host, events=events, luck=0.0).render(request("shot/red", count=2))
        told = [event for event in events if isinstance(event, Backoff)]
        assert [(event.attempt, event.seconds, event.why) for event in told] == [
            (1, 0.0, "the server had an error"),
            (2, 7.0, "rate limit reached"),
        ]
        assert told[0].assets == ("shot/red", "shot/red#2")
        assert told[0].provider == "host"

    in_virtual_time(main)


def test_a_cancelled_request_is_not_asked_again() -> None:
    async def main() -> None:
        host = Scripted(seconds=10.0)
        with anyio.move_on_after(1):
            await _retrying(host).render(request())
        await anyio.sleep(1000)
        assert len(host.asked) == 1

    in_virtual_time(main)


@pytest.mark.parametrize("error", [_fault(80.0), throttled(80.0), NotSent("no connection")])
def test_a_stop_ends_waits_at_once_and_leaves_the_step_planned(error: ProviderError) -> None:
    async def main() -> None:
        host, halted = Scripted(error), anyio.Event()

        async def one() -> None:
            with pytest.raises(NotStarted) as raised:
                await _retrying(host, RetryPolicy(first_wait=80), halted=halted).render(request())
            assert raised.value.__cause__ is error

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await anyio.sleep(5)
            halted.set()
        assert anyio.current_time() == 5
        assert len(host.asked) == 1

    in_virtual_time(main)


def test_a_stop_before_the_answer_asks_no_more_and_keeps_unknown_unknown() -> None:
    async def main() -> None:
        halted = anyio.Event()
        halted.set()
        with pytest.raises(NotStarted):
            await _retrying(Scripted(_fault()), halted=halted).render(request())
        with pytest.raises(OutcomeUnknown):
            await _retrying(Scripted(OutcomeUnknown("cut")), unknown_retries=1, halted=halted).render(request())
        with pytest.raises(ServerFault):
            await _retrying(Scripted(_fault()), RetryPolicy(attempts=1), halted=halted).render(request())

    in_virtual_time(main)


@pytest.mark.anyio
async def test_it_runs_on_asyncio_too() -> None:
    host = Scripted(_fault(), throttled())
    await _retrying(host, RetryPolicy(first_wait=0.001)).render(request())
    assert len(host.asked) == 3
