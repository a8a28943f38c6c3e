"""A network that is down is probed by one and burns no attempts."""

import anyio
import pytest

from pipeline.domain.capability import Limits
from pipeline.domain.errors import (
    NetworkDown,
    NotSent,
    NotStarted,
)
from pipeline.domain.record import Rendered
from pipeline.domain.request import ImageRequest
from pipeline.pacing import NetworkGate, Paced, Pacer
from pipeline.retrying import Retrying, RetryPolicy
from tests.pace.hosts import (
    in_virtual_time,
    rendered,
    request,
)


class Line:
    """A line that is down until a time: requests cannot be sent, probes fail."""

    def __init__(self, back_at: float) -> None:
        self.back_at = back_at
        self.tried: list[float] = []
        self.probed: list[float] = []
        self.probing = 0

    def is_up(self) -> bool:
        return anyio.current_time() >= self.back_at

    async def probe(self) -> bool:
        self.probed.append(anyio.current_time())
        self.probing += 1
        assert self.probing == 1
        await anyio.sleep(0.5)
        self.probing -= 1
        if not self.is_up():
            raise OSError("no route to host")
        return True

    async def render(self, request: ImageRequest) -> Rendered:
        self.tried.append(anyio.current_time())
        await anyio.sleep(0.1)
        if not self.is_up():
            raise NotSent("no connection")
        return rendered()


def _stack(line: Line, *, patience: float = 1800.0, attempts: int = 3) -> tuple[Retrying, Pacer]:
    pacer = Pacer(Limits(concurrency=8), network=NetworkGate(line.probe, patience=patience))
    policy = RetryPolicy(attempts=attempts)
    return Retrying(Paced(line, pacer), policy, recorder=lambda event: None, luck=lambda: 0.5), pacer


def test_a_network_that_is_down_burns_no_attempts_and_is_probed_by_one() -> None:
    async def main() -> None:
        line = Line(back_at=600)
        provider, _ = _stack(line)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(provider.render, request())
        assert len([at for at in line.tried if at < 600]) <= 20
        assert len([at for at in line.tried if at >= 600]) == 20
        apart = [round(b - a, 1) for a, b in zip(line.probed, line.probed[1:], strict=False)]
        assert apart[:6] == [2.5, 4.5, 8.5, 16.5, 32.5, 60.5]
        assert max(apart) <= 60.6
        assert anyio.current_time() < 600 + 62

    in_virtual_time(main)


def test_one_failure_to_connect_closes_nothing() -> None:
    async def main() -> None:
        line = Line(back_at=0.05)
        provider, pacer = _stack(line)
        line.back_at = 0.2
        await provider.render(request())
        assert not line.probed
        assert not pacer.network_is_down

    in_virtual_time(main)


def test_a_network_that_stays_away_is_given_up_and_what_is_left_stays_planned() -> None:
    async def main() -> None:
        line, ended = Line(back_at=1e9), []
        provider, _ = _stack(line, patience=300)

        async def one() -> None:
            try:
                await provider.render(request())
            except NetworkDown as error:
                ended.append(str(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(one)
        assert len(ended) == 12
        assert "run.network_wait" in ended[0]
        assert 300 <= anyio.current_time() < 303

    in_virtual_time(main)


def test_a_port_that_opens_while_requests_still_fail_is_not_believed_for_ever() -> None:
    async def main() -> None:
        line = Line(back_at=1e9)

        async def probe() -> bool:
            line.probed.append(anyio.current_time())
            return True

        pacer = Pacer(Limits(concurrency=1), network=NetworkGate(probe, patience=600))
        provider = Retrying(
            Paced(line, pacer),
            RetryPolicy(attempts=3),
            recorder=lambda event: None,
            luck=lambda: 0.5,
        )
        with pytest.raises(NetworkDown):
            await provider.render(request())
        assert len(line.tried) < 20
        assert 600 <= anyio.current_time() < 603

    in_virtual_time(main)


def test_closing_ends_a_probe_at_once() -> None:
    async def main() -> None:
        line = Line(back_at=1e9)

        async def hangs() -> bool:
            await anyio.sleep(1000)
            return False

        pacer = Pacer(Limits(concurrency=4), network=NetworkGate(hangs))
        paced = Paced(line, pacer)

        async def one() -> None:
            with pytest.raises(NotStarted):
                await paced.render(request())

        async with anyio.create_task_group() as tasks:
            with pytest.raises(NotSent):
                await paced.render(request())
            tasks.start_soon(one)
            await anyio.sleep(3)
            pacer.close("SIGINT")
            closed_at = anyio.current_time()
        assert anyio.current_time() == closed_at

    in_virtual_time(main)
