"""A loopback host that answers every POST with a picture no other answer has: the work, not the host, is measured.

python bench/host.py BYTES_OF_A_PICTURE      prints its port, serves until its input ends
"""

import itertools
import json
import os
import struct
import sys
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


class Host:
    def __init__(self, size: int) -> None:
        self.head, self.tail = picture(size)
        self.numbers = itertools.count()

    def answer(self) -> bytes:
        name = chunk(b"tEXt", b"number\x00%d" % next(self.numbers))
        body = b'{"created":1,"data":[{"b64_json":"' + pybase64.b64encode(self.head + name + self.tail) + b'"}]}'
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            buffer = b""
            while True:
                try:
                    while b"\r\n\r\n" not in buffer:
                        buffer += await stream.receive()
                    head, _, rest = buffer.partition(b"\r\n\r\n")
                    length = next(
                        int(line.split(b":")[1])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length")
                    )
                    while len(rest) < length:
                        rest += await stream.receive()
                    buffer = rest[length:]
                    await stream.send(self.answer())
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return


async def main(size: int) -> None:
    host = Host(size)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, host.serve)
        sys.stdout.write(json.dumps({"port": listener.extra(anyio.abc.SocketAttribute.local_port)}) + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]))
