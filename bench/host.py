"""A loopback host that answers every POST with a picture no other answer has: the work, not the host, is measured.

python bench/host.py --size BYTES [--latency SECONDS] [--rate N --burst N]

Prints its port, serves until its input ends, and then prints what it saw: answers, 429s, and the seconds from the
first request to the last byte of the last answer. rate: a token bucket of so many requests a second; 429 beyond it.
"""

import argparse
import itertools
import json
import math
import os
import struct
import sys
import time
import zlib

import anyio
import anyio.abc
import pybase64

SIDE = 1024


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(size: int) -> tuple[bytes, bytes]:
    """A valid 1024 x 1024 PNG of about *size* bytes in two halves; a chunk that names the answer goes between them."""
    rows = zlib.compress(b"\x00" * (SIDE * (SIDE * 3 + 1)), 1)
    padding = os.urandom(max(0, size - len(rows) - 200))
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    # Noise in an ancillary chunk: as heavy to carry, hash and check as a photograph, and quick to make.
    return head, chunk(b"noIs", padding) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Bucket:
    """Tokens, so many a second up to a burst. rate 0: no limit."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, float(burst), time.monotonic()

    def wait(self) -> float:
        """Seconds until there is a token; 0 when one was taken."""
        if not self.rate:
            return 0.0
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0.0


class Host:
    def __init__(self, size: int, latency: float, bucket: Bucket) -> None:
        self.head, self.tail = picture(size)
        self.latency, self.bucket = latency, bucket
        self.numbers = itertools.count()
        self.answered = self.limited = 0
        self.began = self.ended = 0.0

    def answer(self) -> bytes:
        name = chunk(b"tEXt", b"number\x00%d" % next(self.numbers))
        body = b'{"created":1,"data":[{"b64_json":"' + pybase64.b64encode(self.head + name + self.tail) + b'"}]}'
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    async def reply(self, stream: anyio.abc.ByteStream) -> None:
        self.began = self.began or time.monotonic()
        if wait := self.bucket.wait():
            self.limited += 1
            body = b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'
            head = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: %d\r\n" % math.ceil(wait)
            await stream.send(head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            return
        if self.latency:
            await anyio.sleep(self.latency)
        await stream.send(self.answer())
        self.answered += 1
        self.ended = time.monotonic()

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            buffer = bytearray()
            while True:
                try:
                    while (at := buffer.find(b"\r\n\r\n")) < 0:
                        buffer += await stream.receive()
                    lines = bytes(buffer[:at]).lower().split(b"\r\n")
                    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
                    left = at + 4 + length - len(buffer)
                    rest = bytes(buffer[at + 4 + length :])
                    while left > 0:
                        piece = await stream.receive(1024 * 1024)
                        rest = piece[left:]
                        left -= len(piece)
                    buffer = bytearray(rest)
                    await self.reply(stream)
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return


async def main(host: Host) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=256)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, host.serve)
        tell({"port": listener.extra(anyio.abc.SocketAttribute.local_port)})
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()
    tell({"answered": host.answered, "limited": host.limited, "seconds": host.ended - host.began})


def tell(said: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--burst", type=int, default=1)
    given = parser.parse_args()
    anyio.run(main, Host(given.size, given.latency, Bucket(given.rate, given.burst)))
