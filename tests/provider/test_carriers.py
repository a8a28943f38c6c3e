from itertools import pairwise

import anyio
import h11
import pytest
from anyio.abc import ByteStream
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.capability import Limits
from pipeline.domain.errors import NotSent
from pipeline.provider import Connections, endpoint_for
from pipeline.provider.carrying import SWITCH, goes_lean
from pipeline.provider.http1 import AnswerReader, Garbled
from tests.provider.hosts import KEY, PNG, Flight, http, images_json, listening, read_request, request, spec


class Read:
    """What a reader made of an answer."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, dict[str, str]]] = []
        self.body = b""
        self.reader = AnswerReader(lambda status, headers: self.heads.append((status, dict(headers))), self._data)

    def _data(self, piece: memoryview) -> None:
        self.body += piece

    def feed(self, answer: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(cut % (len(answer) + 1) for cut in cuts), len(answer)]
        for start, end in pairwise(edges):
            self.reader.feed(memoryview(answer)[start:end])


def by_h11(answer: bytes) -> tuple[int, bytes]:
    """The same answer as the library reads it that httpx stands on."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    client.receive_data(b"")
    status, body = 0, b""
    while True:
        match client.next_event():
            case h11.Response() as head:
                status = head.status_code
            case h11.Data() as piece:
                body += bytes(piece.data)
            case h11.EndOfMessage():
                return status, body


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\nx-t: 1\r\n\r\n"


@settings(max_examples=150)
@given(
    pieces=st.lists(st.binary(max_size=40), max_size=4),
    framing=st.sampled_from(["length", "chunked", "close"]),
    words=st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n"]),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=6),
)
def test_an_answer_reads_alike_however_it_is_cut_and_as_h11_reads_it(
    pieces: list[bytes], framing: str, words: bytes, cuts: list[int]
) -> None:
    body = b"".join(pieces)
    head = {
        "length": b"content-length: %d\r\n\r\n%s" % (len(body), body),
        "chunked": b"transfer-encoding: chunked\r\n\r\n" + chunked(pieces),
        "close": b"\r\n" + body,
    }[framing]
    answer = words + b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nx-twice: 2\r\n" + head
    read = Read()
    read.feed(answer, cuts)
    assert read.reader.whole is (framing != "close")
    read.reader.end()
    assert read.reader.reusable is (framing != "close")
    assert (read.heads[0][0], read.body) == by_h11(answer) == (200, body)
    assert read.heads[0][1]["x-twice"] == "1, 2"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 5000,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000,
    ],
)
def test_what_leaves_room_for_doubt_is_no_answer(answer: bytes) -> None:
    with pytest.raises(Garbled):
        Read().feed(answer, [])


def test_more_than_was_asked_for_ends_the_connection() -> None:
    read = Read()
    read.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n", [])
    assert (read.body, read.reader.whole, read.reader.reusable) == (b"ab", True, False)


class Counting:
    """A host that counts its connections and says *after* each answer whether it hangs up."""

    def __init__(self, *, hangs_up: bool = False) -> None:
        self.connections = 0
        self.hangs_up = hangs_up

    async def __call__(self, stream: ByteStream) -> None:
        self.connections += 1
        while True:
            await read_request(stream)
            await stream.send(http("200 OK", images_json(PNG)))
            if self.hangs_up:
                return


async def asked_twice(host: Counting, wait: float) -> int:
    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, limits=Limits(concurrency=1)), "images", KEY, connections=connections)
        for _ in range(2):
            assert (await endpoint.post(request(), Flight())).status == 200
            await anyio.sleep(wait)
    return host.connections


@pytest.mark.anyio
@pytest.mark.parametrize("carrier", ["", "httpx"])
async def test_a_connection_is_reused_at_once_and_not_after_a_second(
    carrier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, carrier)
    assert await asked_twice(Counting(), 0) == 1
    if not carrier:  # the wait is real: httpx's own clock is httpx's to test
        assert await asked_twice(Counting(), 1.05) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("carrier", ["", "httpx"])
async def test_a_connection_the_host_gave_up_carries_no_paid_request(
    carrier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, carrier)
    assert await asked_twice(Counting(hangs_up=True), 0.02) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_own_carrier_is_for_asyncio_without_proxies(
    anyio_backend_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    for name in (*proxies, SWITCH):
        monkeypatch.delenv(name, raising=False)
    here = anyio_backend_name == "asyncio"
    assert goes_lean("https://host.test/v1", trust_env=True) is here
    assert not goes_lean("ftp://host.test/v1", trust_env=True)
    assert not goes_lean("https://user:word@host.test/v1", trust_env=True)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert not goes_lean("https://host.test/v1", trust_env=True)
    assert goes_lean("http://127.0.0.1/v1", trust_env=False) is here


@pytest.mark.anyio
@pytest.mark.parametrize("carrier", ["", "httpx"])
async def test_a_handshake_that_breaks_means_not_sent(carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, carrier)

    async def host(stream: ByteStream) -> None:
        await stream.receive()

    flight = Flight()
    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url.replace("http:", "https:")), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(), flight)
    assert flight.steps == []
