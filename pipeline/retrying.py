"""`Retrying(provider, policy)`: a provider that asks again what surely was not billed and may pass. tenacity's home.

    provider = Retrying(Paced(budgeted, pacer), RetryPolicy(attempts=5), recorder=recorder, luck=random.random,
                        provider_name="clauddy", halted=pacer.halted)

What is asked again: Throttled, as long as the patience lasts (it counts as no attempt); ServerFault and NotSent, within
the policy's attempts; OutcomeUnknown only as often as `unknown_retries` says, since it may have been billed. All else,
cancellation included, goes up at once. A wait holds no slot: this is the outermost wrapper.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from tenacity import AsyncRetrying, RetryCallState

from pipeline.domain.errors import NotSent, NotStarted, OutcomeUnknown, ProviderError, ServerFault, Throttled, Transient
from pipeline.domain.event import Backoff
from pipeline.domain.record import Rendered
from pipeline.domain.request import ImageRequest
from pipeline.ports import Provider, Recorder

HOUR = 3600.0

HONOURED = 600.0
"""Seconds a host may ask for once, whatever the patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how late. Pure numbers; waits in seconds.

    attempts: POSTs of one step at most, throttled ones apart. patience: how long a throttled step goes on, from its
    first 429 in a row: an hour outlasts every limit of minutes; a host that says no for longer wants another night,
    and the next run asks again.
    """

    attempts: int = 5
    first_wait: float = 2.0
    longest_wait: float = 90.0
    patience: float = HOUR

    def wait(self, attempt: int, error: ProviderError, luck: Callable[[], float]) -> float:
        """Seconds until the next try after try number *attempt* (from 1) ended in *error*.

        Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): anything from 0 to
        first_wait doubled with every try, at most longest_wait; but never earlier than the host asked for. luck: a
        number from 0 to 1.
        """
        longest = min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 60))
        asked = error.answered.retry_after
        if asked is None:
            return luck() * longest
        # A throttled provider's door spreads its requests anyway: jitter on top of a stated wait would only be idle.
        extra = 0.1 * asked if isinstance(error, Throttled) else longest
        return asked + luck() * min(longest, extra)


class Retrying:
    """A `Provider` around another. provider_name: as events say it. halted: set when nothing more may start: waits
    end at once. luck: gives a number from 0 to 1, like `random.Random().random`.
    """

    def __init__(
        self,
        provider: Provider,
        policy: RetryPolicy,
        *,
        recorder: Recorder,
        luck: Callable[[], float],
        provider_name: str = "",
        unknown_retries: int = 0,
        halted: anyio.Event | None = None,
    ) -> None:
        self._provider = provider
        self._policy = policy
        self._recorder = recorder
        self._luck = luck
        self._name = provider_name
        self._unknown_retries = unknown_retries
        self._halted = halted or anyio.Event()

    async def render(self, request: ImageRequest) -> Rendered:
        """Asks until there is an answer that repeating does not mend; raises the last error.

        Raises NotStarted when the run stopped while a repeat that costs nothing was waited for.
        """
        try:
            return await self._provider.render(request)
        except ProviderError as error:
            # tenacity costs a tenth of a small request's CPU: only what went wrong pays for it.
            first = error
        return await self._again(request, first)

    async def _again(self, request: ImageRequest, first: ProviderError) -> Rendered:
        """Goes on after the first try ended in *first*."""
        tries = _Tries(self._policy, self._luck, self._unknown_retries, self._halted)
        retrying = AsyncRetrying(
            sleep=tries.sleep,
            retry=tries.again,
            stop=tries.over,
            wait=tries.wait,
            before_sleep=lambda state: self._tell(request, state),
            reraise=True,
        )
        endings: list[ProviderError] = [first]

        async def ask() -> Rendered:
            if endings:
                raise endings.pop()
            return await self._provider.render(request)

        try:
            rendered: Rendered = await retrying(ask)
        except Transient as error:
            if tries.interrupted:
                raise NotStarted(f"stopped before it was asked again: {error}") from error
            raise
        return rendered

    def _tell(self, request: ImageRequest, state: RetryCallState) -> None:
        self._recorder(
            Backoff(
                assets=tuple(ready.step.asset for ready in request.steps),
                provider=self._name or request.provider,
                attempt=state.attempt_number,
                seconds=state.upcoming_sleep,
                why=str(_error(state)),
            )
        )


class _Tries:
    """What one request has been through; asked by tenacity in the order again, wait, over."""

    def __init__(
        self, policy: RetryPolicy, luck: Callable[[], float], unknown_retries: int, halted: anyio.Event
    ) -> None:
        self._policy = policy
        self._luck = luck
        self._unknown_left = unknown_retries
        self._halted = halted
        self._attempts = 0
        self._last: ProviderError | None = None
        self.interrupted = False
        self._throttled_since: float | None = None

    def again(self, state: RetryCallState) -> bool:
        """Whether such an ending may be repeated at all; counts it."""
        match _error(state):
            case Throttled():
                if self._throttled_since is None:
                    self._throttled_since = anyio.current_time()
                return True
            case ServerFault() | NotSent():
                self._attempts += 1
                self._throttled_since = None
                return self._attempts < self._policy.attempts
            case OutcomeUnknown():
                self._unknown_left -= 1
                return self._unknown_left >= 0
            case _:
                return False

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next try."""
        error = _error(state)
        assert isinstance(error, ProviderError)
        self._last = error
        return self._policy.wait(state.attempt_number, error, self._luck)

    def over(self, state: RetryCallState) -> bool:
        """Whether nothing may start any more, or a throttled request would be waited for beyond the patience."""
        if self._halted.is_set():
            self.interrupted = True
            return True
        if self._throttled_since is None:
            return False
        waited = anyio.current_time() - self._throttled_since
        if waited <= 0:
            # What a host asks for the first time is honoured, however little patience a person has; not a whole day.
            return state.upcoming_sleep > max(self._policy.patience, HONOURED)
        return waited + state.upcoming_sleep > self._policy.patience

    async def sleep(self, seconds: float) -> None:
        """Waits, but not after nothing may start any more: then raises what was to be repeated."""
        with anyio.move_on_after(seconds):
            await self._halted.wait()
        if self._halted.is_set():
            assert self._last is not None
            self.interrupted = True
            raise self._last


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
