"""How often a connection that is used again dies before its first byte, by how long it may lie idle.

    python -m bench.reuse [--seconds 20] [--lanes 150]

A request that is sent into a connection its host has given up meanwhile is `unknown`: perhaps billed, a person's
attention. Hosts here give an idle connection up after so many seconds and the news of it is on its way for a while, as
over a long line; a request that comes after that moment is never answered. Each lane posts, pauses (up to three
seconds, the same pauses everywhere) and posts again, over the product's own carrier with one idle limit or another.
"""

import argparse
import asyncio  # noqa: TID251 - a host that hangs up without a word needs its transport
import random
from collections import Counter
from contextlib import suppress

import anyio

from pipeline.domain.capability import Timeout
from pipeline.domain.errors import OutcomeUnknown
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.provider import lean
from pipeline.provider.body import Body
from pipeline.provider.http import HttpPost

KEPT = (lean.KEEPALIVE, 5.0, 60.0)
"""Seconds a client keeps an idle connection: ours, what httpx and others do by default, and without a limit."""

GIVEN_UP = (0.5, 1.0, 2.0, 5.0)
"""Seconds after which the host gives it up."""

LINE = 0.1
"""Seconds the news of it takes."""

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
BODY = Body(media_type="application/json", parts=(b'{"prompt": "a cup"}',))


class Flight:
    """Takes an answer and forgets it."""

    def sent(self) -> None:
        """Nothing is kept."""

    def head(self, head: Head) -> None:
        """Nothing is kept."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Nothing is kept."""


class Host:
    """Answers at once, and gives a connection up that lay idle for *limit* seconds."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            while True:
                async with asyncio.timeout(self.limit):
                    await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(BODY.parts[0]) if isinstance(BODY.parts[0], bytes) else 0)
                writer.write(ANSWER)
                await writer.drain()
        await asyncio.sleep(LINE)
        writer.transport.abort()


async def lane(base: str, until: float, luck: random.Random, seen: Counter[str]) -> None:
    patience = Timeout(connect=5.0, total=5.0, idle=5.0)
    post = HttpPost(base_url=base, key=Secret(""), timeout=patience, concurrency=1)
    while anyio.current_time() < until:
        try:
            await post.send("/images/generations", BODY, Flight(), accept="application/json", cap=1000)
            seen["answered"] += 1
        except OutcomeUnknown:
            seen["died"] += 1
        await anyio.sleep(luck.uniform(0, 3))
    await post.aclose()


async def measure(kept: float, limit: float, lanes: int, seconds: float) -> str:
    lean.KEEPALIVE = kept
    host, seen = Host(limit), Counter[str]()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with anyio.create_task_group() as group:
        for number in range(lanes):
            group.start_soon(lane, base, anyio.current_time() + seconds, random.Random(number), seen)
    server.close()
    await anyio.sleep(2 * LINE)  # its connections end
    asked = seen["answered"] + seen["died"]
    reused = asked - host.connections
    share = 10_000 * seen["died"] / max(1, reused)
    return f"| {kept:g} | {limit:g} | {asked:,} | {reused:,} | {seen['died']:,} | {share:.0f} |"


async def main(lanes: int, seconds: float) -> None:
    print("| kept idle, s | given up after, s | requests | on a used connection | died | of 10,000 reused |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kept in KEPT:
        for limit in GIVEN_UP:
            print(await measure(kept, limit, lanes, seconds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    anyio.run(main, given.lanes, given.seconds)
