"""Honest little hosts that count as real ones do, requests for them, and a source of chained works."""

import math
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import trio
from trio.testing import MockClock

from pipeline.domain.errors import Answered, ProviderError, Throttled
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Rendered
from pipeline.domain.request import ImageRequest, ReadyStep
from pipeline.domain.step import AssetName, KeyParts, Step, step_key
from pipeline.pacing import Paced, Pacer
from pipeline.ports import Provider

T = TypeVar("T")


def in_virtual_time(main: Callable[[], Awaitable[T]]) -> T:
    """Runs *main* on trio with a clock that jumps whenever everybody waits."""
    return trio.run(main, clock=MockClock(autojump_threshold=0))


def request(name: str = "shot/a", *, count: int = 1, tokens: int = 0) -> ImageRequest:
    """A request for *count* candidates of one asset."""
    return ImageRequest(
        steps=tuple(_ready(name, candidate) for candidate in range(1, count + 1)),
        provider="host",
        protocol="images",
        model="m",
        prompt=name,
        params={},
        tokens=tokens,
    )


def _ready(name: str, candidate: int) -> ReadyStep:
    parts = KeyParts(protocol="images", model="m", params={}, prompt=name, candidate=candidate)
    step = Step(
        asset=AssetName(f"{name}#{candidate}" if candidate > 1 else name),
        shot="shot",
        axes=(),
        step_id="",
        depth=0,
        candidate=candidate,
        remaining=0,
        provider="host",
        model_alias="main",
        model="m",
        protocol="images",
        params={},
        prompt=name,
        inputs=(),
        parent=None,
        path=name,
    )
    return ReadyStep(step=step, key=step_key(parts), parts=parts)


def rendered() -> Rendered:
    """An answer that nobody looks into."""
    return Rendered(attempt_id=AttemptId("1"), kept=(), cost=MicroUsd(0))


class Scripted:
    """A provider that answers one script entry a request: an error is raised, None is a picture."""

    def __init__(self, *script: BaseException | None, seconds: float = 0.0) -> None:
        self.script = list(script)
        self.seconds = seconds
        self.asked: list[float] = []

    async def render(self, request: ImageRequest) -> Rendered:
        self.asked.append(anyio.current_time())
        await anyio.sleep(self.seconds)
        ending = self.script.pop(0) if self.script else None
        if ending is not None:
            raise ending
        return rendered()


@dataclass(kw_only=True)
class Bucket:
    """A host with a token bucket: *rate* a second, *burst* at once; refuses in *refusal* seconds."""

    rate: float
    burst: float
    seconds: float
    retry_after: float | None = 1.0
    refusal: float = 0.002
    jitter: float = 0.0
    at_random: float = 0.0
    refused: int = 0
    done: int = 0
    luck: random.Random = field(default_factory=lambda: random.Random(7))
    _tokens: float = -1.0
    _at: float = 0.0

    async def render(self, request: ImageRequest) -> Rendered:
        await anyio.sleep(self.luck.random() * self.jitter)
        now = anyio.current_time()
        full = self.burst if self._tokens < 0 else self._tokens + (now - self._at) * self.rate
        self._tokens, self._at = min(self.burst, full), now
        if self._tokens < 1 - 1e-9 or self.luck.random() < self.at_random:
            self.refused += 1
            await anyio.sleep(self.refusal)
            raise throttled(self.retry_after)
        self._tokens -= 1
        await anyio.sleep(self.seconds)
        self.done += 1
        return rendered()


@dataclass(kw_only=True)
class Windowed:
    """A host that lets *limit* requests into every *span* seconds: any (sliding) or those its clock marks off."""

    limit: int
    span: float
    sliding: bool
    seconds: float
    refused: int = 0
    done: int = 0
    _let_in: list[float] = field(default_factory=list)

    async def render(self, request: ImageRequest) -> Rendered:
        now = anyio.current_time()
        began = now - self.span if self.sliding else now // self.span * self.span
        self._let_in = [at for at in self._let_in if at > began or (at == began and not self.sliding)]
        if len(self._let_in) >= self.limit:
            self.refused += 1
            await anyio.sleep(0.002)
            raise throttled(math.ceil(self.span - (now - self._let_in[0])) if self.sliding else None)
        self._let_in.append(now)
        await anyio.sleep(self.seconds)
        self.done += 1
        return rendered()


class Counted:
    """A host that refuses nothing and remembers when what came: (second, pictures, tokens)."""

    def __init__(self, seconds: Callable[[], float], error: Callable[[], ProviderError | None] = lambda: None) -> None:
        self.seconds = seconds
        self.error = error
        self.came: list[tuple[float, int, int]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def render(self, request: ImageRequest) -> Rendered:
        self.came.append((anyio.current_time(), request.count, request.tokens))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await anyio.sleep(self.seconds())
            if (error := self.error()) is not None:
                raise error
        finally:
            self.at_once -= 1
        return rendered()


def busiest_minute(came: Iterable[tuple[float, float]]) -> float:
    """The most weight that any 60 seconds hold, of (second, weight) in order of time."""
    entries = list(came)
    most, first, held = 0.0, 0, 0.0
    for at, weight in entries:
        held += weight
        while entries[first][0] <= at - 60:
            held -= entries[first][1]
            first += 1
        most = max(most, held)
    return most


def throttled(retry_after: float | None = None) -> Throttled:
    """A 429."""
    return Throttled("rate limit reached", Answered(status=429, retry_after=retry_after))


async def ask_all(pacer: Pacer, host: Provider, requests: int, *, count: int = 1, tokens: int = 0) -> None:
    """Asks for so many requests at once through *pacer* and lets errors of the host go by."""
    paced = Paced(host, pacer)

    async def one() -> None:
        try:
            await paced.render(request(count=count, tokens=tokens))
        except ProviderError:
            return

    async with anyio.create_task_group() as tasks:
        for _ in range(requests):
            tasks.start_soon(one)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A work of a chain. left: edits that follow."""

    lane: str
    chain: int
    depth: int
    left: int


class Chains:
    """A source of chains: (lane of each of its steps); longest remaining chain first, then in order."""

    def __init__(self, *chains: tuple[str, ...]) -> None:
        self.chains = chains
        self.ready = [self._job(number, 0) for number in range(len(chains)) if chains[number]]
        self.finished_jobs: list[Job] = []
        self.outcomes: list[object] = []
        self.stopped: list[str] = []

    def next(self, lane: str) -> Job | None:
        mine = [job for job in self.ready if job.lane == lane]
        if not mine:
            return None
        best = max(mine, key=lambda job: (job.left, -job.chain))
        self.ready.remove(best)
        return best

    def finished(self, work: Job, outcome: object) -> None:
        self.finished_jobs.append(work)
        self.outcomes.append(outcome)
        if outcome == "done" and work.left:
            self.ready.append(self._job(work.chain, work.depth + 1))

    def stop(self, lane: str) -> None:
        self.stopped.append(lane)
        self.ready = [job for job in self.ready if job.lane != lane]

    def is_done(self, lane: str) -> bool:
        return False

    def _job(self, chain: int, depth: int) -> Job:
        steps = self.chains[chain]
        return Job(lane=steps[depth], chain=chain, depth=depth, left=len(steps) - depth - 1)


class Count:
    """A source of so many equal works for one lane."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.finished_works = 0

    def next(self, lane: str) -> int | None:
        if not self.left:
            return None
        self.left -= 1
        return self.left

    def finished(self, work: int, outcome: object) -> None:
        self.finished_works += 1

    def stop(self, lane: str) -> None:
        self.left = 0

    def is_done(self, lane: str) -> bool:
        return not self.left
