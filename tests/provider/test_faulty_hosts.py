import gzip
import zlib

import anyio
import httpx
import pytest
from anyio.abc import ByteStream
from trio.testing import MockClock

from pipeline.domain.capability import Profile, Timeout
from pipeline.domain.errors import (
    OutcomeUnknown,
)
from pipeline.provider import Connections, endpoint_for
from tests.provider.hosts import (
    KEY,
    PNG,
    Flight,
    Host,
    Script,
    http,
    images_json,
    listening,
    read_request,
    request,
    spec,
)
from tests.provider.posting import PATIENT, SHORT, closes_after_the_request, failure, posted

pytestmark = pytest.mark.anyio


async def closes_in_the_head(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-le")


async def cuts_the_body(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(http("200 OK", images_json(PNG))[:-20])


async def cuts_the_chunks(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"dat\r\n9\r\na')


async def hangs(stream: ByteStream) -> None:
    await read_request(stream)
    await anyio.sleep(5)


async def hangs_in_the_body(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(http("200 OK", images_json(PNG))[:-20])
    await anyio.sleep(5)


async def drips(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        await stream.send(b" ")
        await anyio.sleep(0.02)


async def never_stops(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send(b" " * 65536)


async def floods_with_continues(stream: ByteStream) -> None:
    await read_request(stream)
    while True:
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await anyio.sleep(0.01)


async def has_a_giant_header(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\nx-big: " + b"a" * 300_000 + b"\r\n\r\n")


async def has_endless_headers(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send(b"x-more: 1\r\n" * 5000)


async def speaks_no_http(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(b"SSH-2.0-OpenSSH\r\n")


async def sends_a_gzip_bomb(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(http("200 OK", gzip.compress(b" " * 50_000_000), "content-encoding: gzip"))


async def cuts_the_gzip(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(http("200 OK", gzip.compress(images_json(PNG))[:-12], "content-encoding: gzip"))


async def breaks_the_gzip(stream: ByteStream) -> None:
    await read_request(stream)
    await stream.send(http("200 OK", b"\x1f\x8b" + b"junk" * 40, "content-encoding: gzip"))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (closes_after_the_request, "disconnected"),
        (closes_in_the_head, "connection broke"),
        (cuts_the_body, "connection broke"),
        (cuts_the_chunks, "connection broke"),
        (hangs, "timeout.idle"),
        (hangs_in_the_body, "timeout.idle"),
        (drips, "timeout.total"),
        (never_stops, "longer than"),
        (floods_with_continues, "timeout.total"),
        (has_a_giant_header, "connection broke"),
        (has_endless_headers, "connection broke"),
        (speaks_no_http, "connection broke"),
        (sends_a_gzip_bomb, "longer than"),
        (cuts_the_gzip, "cut short"),
        (breaks_the_gzip, "damaged"),
    ],
)
async def test_what_goes_wrong_after_the_request_is_of_unknown_outcome(script: Script, words: str) -> None:
    profile = Profile(name="openai", max_body=1_000_000)
    error = await failure(script, timeout=SHORT, profile=profile)
    assert isinstance(error, OutcomeUnknown)
    assert words in str(error)
    assert "perhaps billed" in str(error)
    assert 0 < error.answered.seconds < 3


async def test_what_arrived_before_a_cut_is_in_the_flight() -> None:
    flight = Flight()
    async with listening(cuts_the_body) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        with pytest.raises(OutcomeUnknown):
            await endpoint.post(request(), flight)
    assert flight.body == images_json(PNG)[:-20]


async def test_a_cut_that_the_transport_cannot_see_is_seen_when_reading() -> None:
    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + images_json(PNG)[:-20])

    head, flight = await posted(host)
    endpoint = endpoint_for(spec(), "images", KEY, Host(httpx.Response(200)).transport)
    with pytest.raises(OutcomeUnknown, match="cut short"):
        endpoint.read(head, flight.body)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("gzip", bytes),
        ("deflate", bytes),
        ("identity", bytes),
        ("br", bytes),
    ],
)
async def test_an_encoding_that_was_not_asked_for_is_undone_where_it_is_true(encoding: str, encode: object) -> None:
    assert callable(encode)
    raw = encode(images_json(PNG))

    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(http("200 OK", raw, f"content-encoding: {encoding}"))

    head, flight = await posted(host)
    endpoint = endpoint_for(spec(), "images", KEY, Host(httpx.Response(200)).transport)
    assert endpoint.read(head, flight.body).pictures[0].data == PNG


async def test_a_decoded_body_comes_in_small_pieces() -> None:
    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(http("200 OK", gzip.compress(b" " * 5_000_000), "content-encoding: gzip"))

    _, flight = await posted(host, timeout=PATIENT)
    assert len(flight.body) == 5_000_000
    assert flight.largest <= 256 * 1024


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_sockets_work_on_trio_too() -> None:
    error = await failure(closes_after_the_request)
    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})])
async def test_seven_minutes_without_an_answer_end_in_an_unknown_outcome() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        await anyio.sleep(3600)

    endpoint = endpoint_for(spec("embedded:", timeout=Timeout()), "images", "", httpx.ASGITransport(app))
    flight, start = Flight(), anyio.current_time()
    with pytest.raises(OutcomeUnknown, match="within 420 s"):
        await endpoint.post(request(), flight)
    assert anyio.current_time() - start == pytest.approx(420)
    assert flight.steps == ["sent"]
    await endpoint.aclose()
