import gzip
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import ByteStream
from trio.testing import MockClock

from pipeline.domain.capability import Limits, Profile, Timeout
from pipeline.domain.errors import (
    BadRequest,
    DiskFull,
    KeyRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
)
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.manifest.model import ProviderSpec
from pipeline.provider import ChatEndpoint, Connections, ImagesEndpoint, endpoint_for
from tests.provider.hosts import (
    KEY,
    PNG,
    Flight,
    Host,
    Script,
    http,
    images_json,
    listening,
    prepared,
    read_request,
    request,
    spec,
)

pytestmark = pytest.mark.anyio
SHORT = Timeout(connect=0.5, total=0.6, idle=0.25)
PATIENT = Timeout(connect=2.0, total=5.0, idle=5.0)


async def posted(script: Script, folder: Path | None = None, **changes: object) -> tuple[Head, Flight]:
    """One POST that is answered (an edit with a folder) against a raw server."""
    flight = Flight()
    inputs = (prepared(folder, PNG + b"\0" * 3_000_000),) if folder else ()
    async with listening(script) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, **changes), "images", KEY, connections=connections)
        return await endpoint.post(request(inputs=inputs), flight), flight


async def failure(script: Script, folder: Path | None = None, **changes: object) -> ProviderError:
    inputs = (prepared(folder, PNG + b"\0" * 3_000_000),) if folder else ()
    async with listening(script) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, **changes), "images", KEY, connections=connections)
        with pytest.raises(ProviderError) as caught:
            await endpoint.post(request(inputs=inputs), Flight())
    assert KEY not in str(caught.value)
    return caught.value


async def test_a_request_is_sent_once_and_its_answer_streamed_into_the_flight() -> None:
    asked: list[tuple[bytes, bytes]] = []

    async def host(stream: ByteStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http("200 OK", images_json(PNG), "x-request-id: req_7", "Content-Type: text/plain"))

    head, flight = await posted(host)
    assert flight.steps == ["sent", "head", "body"]
    assert flight.heads == [head]
    assert flight.body == images_json(PNG)
    assert (head.status, head.headers["x-request-id"]) == (200, "req_7")
    [(sent, body)] = asked
    assert sent.startswith(b"POST /v1/images/generations HTTP/1.1\r\n")
    assert b"accept-encoding: identity\r\n" in sent.lower()
    assert b"authorization: bearer " + KEY.encode() in sent.lower()
    assert body == b'{"model":"gpt-image-2","prompt":"a cat","n":1}'


async def test_an_error_answer_is_no_exception_of_the_transport() -> None:
    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(http("429 Too Many Requests", b""))

    head, flight = await posted(host)
    assert head.status == 429
    assert flight.body == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    seen = 0

    async def host(stream: ByteStream) -> None:
        nonlocal seen
        seen += 1
        await read_request(stream)
        await stream.send(http(f"{status} Moved", b"", "location: /v1/elsewhere"))

    head, _ = await posted(host)
    assert (head.status, seen) == (status, 1)


async def test_a_port_nobody_listens_on_means_not_sent() -> None:
    async with listening(closes_after_the_request) as base_url:
        pass
    flight = Flight()
    async with Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(), flight)
    assert flight.steps == []


async def test_a_host_that_has_no_name_means_not_sent() -> None:
    flight = Flight()
    async with Connections() as connections:
        endpoint = endpoint_for(spec("http://nobody.invalid/v1"), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(), flight)
    assert flight.steps == []


async def test_a_plain_server_on_a_tls_port_means_not_sent() -> None:
    async def host(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    flight = Flight()
    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url.replace("http:", "https:")), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(), flight)
    assert flight.steps == []


async def test_a_reset_in_the_middle_of_the_upload_means_not_sent(tmp_path: Path) -> None:
    async def host(stream: ByteStream) -> None:
        await stream.receive(1000)  # and closes with megabytes unread, which resets the connection

    error = await failure(host, tmp_path)
    assert isinstance(error, NotSent)
    assert "nothing was asked" in str(error)


async def test_an_upload_nobody_reads_means_not_sent(tmp_path: Path) -> None:
    async def host(stream: ByteStream) -> None:
        await stream.receive(1000)
        await anyio.sleep(2)

    inputs = (prepared(tmp_path, PNG + b"\0" * 20_000_000),)
    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, timeout=SHORT), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(inputs=inputs), Flight())


async def test_an_early_answer_to_an_upload_is_still_heard(tmp_path: Path) -> None:
    async def host(stream: ByteStream) -> None:
        await stream.receive(1000)
        await stream.send(http("413 Too Large", b'{"error":{"message":"too large"}}'))
        while True:
            await stream.receive()

    head, flight = await posted(host, tmp_path)
    assert head.status == 413
    assert b"too large" in flight.body


async def closes_after_the_request(stream: ByteStream) -> None:
    await read_request(stream)


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


async def test_being_cancelled_after_the_request_stays_being_cancelled() -> None:
    reached = anyio.Event()

    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        reached.set()
        await anyio.sleep(5)

    flight = Flight()
    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(endpoint.post, request(), flight)
                await reached.wait()
                scope.cancel()
        assert scope.cancelled_caught
    assert flight.steps == ["sent"]


async def test_a_full_disk_is_not_taken_for_a_fault_of_the_network() -> None:
    class Full(Flight):
        def write(self, chunk: bytes | bytearray | memoryview) -> None:
            raise DiskFull("no room")

    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(http("200 OK", images_json(PNG)))

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        with pytest.raises(DiskFull):
            await endpoint.post(request(), Full())


async def test_there_are_never_more_connections_than_the_concurrency_asked() -> None:
    now = most = served = 0

    async def host(stream: ByteStream) -> None:
        nonlocal now, most, served
        now += 1
        most = max(most, now)
        try:
            while True:
                await read_request(stream)
                await anyio.sleep(0.005)
                served += 1
                await stream.send(http("200 OK", images_json(PNG)))
        finally:
            now -= 1

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, limits=Limits(concurrency=3)), "images", KEY, connections=connections)
        async with anyio.create_task_group() as tasks:
            for _ in range(24):
                tasks.start_soon(endpoint.post, request(), Flight())
    assert (most, served) == (3, 24)


async def test_cancelled_requests_cost_no_connection_for_ever() -> None:
    async def host(stream: ByteStream) -> None:
        while True:
            await read_request(stream)
            await anyio.sleep(0.02)
            await stream.send(http("200 OK", images_json(PNG)))

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, limits=Limits(concurrency=2)), "images", KEY, connections=connections)
        for wait in (0.0, 0.001, 0.005, 0.01, 0.015, 0.021, 0.03):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(endpoint.post, request(), Flight())
                await anyio.sleep(wait)
                tasks.cancel_scope.cancel()
        assert (await endpoint.post(request(), Flight())).status == 200


async def test_an_input_that_changed_on_disk_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    host = Host(httpx.Response(200, content=images_json(PNG)))
    photo = prepared(tmp_path)
    photo.path.write_bytes(b"other")
    flight = Flight()
    endpoint = endpoint_for(spec(), "images", KEY, host.transport)
    with pytest.raises(BadRequest, match=r"photo\.png"):
        await endpoint.post(request(inputs=(photo,)), flight)
    photo.path.unlink()
    with pytest.raises(BadRequest, match=r"photo\.png"):
        await endpoint.post(request(inputs=(photo,)), flight)
    assert (host.requests, flight.steps) == ([], [])
    await endpoint.aclose()


async def test_an_input_that_changes_while_it_is_sent_is_never_sent_whole(tmp_path: Path) -> None:
    photo = prepared(tmp_path, PNG + b"\0" * 3_000_000)

    async def host(stream: ByteStream) -> None:
        await stream.receive(1000)
        photo.path.write_bytes(PNG)
        while True:
            await stream.receive()

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, timeout=PATIENT), "images", KEY, connections=connections)
        with pytest.raises(BadRequest, match="changed while it was being sent"):
            await endpoint.post(request(inputs=(photo,)), Flight())


class Breaking(httpx.AsyncBaseTransport):
    """A transport without a trace that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.WriteError("reset"), NotSent),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.RemoteProtocolError("gone"), OutcomeUnknown),
        (ConnectionResetError("gone"), OutcomeUnknown),
        (KeyError("a fault of the application"), OutcomeUnknown),
    ],
)
async def test_a_transport_that_tells_no_steps_is_judged_by_what_it_raised(
    error: Exception, expected: type[ProviderError]
) -> None:
    flight = Flight()
    endpoint = endpoint_for(spec(), "images", KEY, Breaking(error))
    with pytest.raises(expected):
        await endpoint.post(request(), flight)
    assert flight.steps == (["sent"] if expected is OutcomeUnknown else [])
    await endpoint.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_an_application_in_this_process_is_asked_without_a_socket() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        assert callable(receive)
        assert callable(send)
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-pipeline-sketch", b"1")]})
        await send({"type": "http.response.body", "body": images_json(PNG)})

    flight = Flight()
    endpoint = endpoint_for(spec("embedded:"), "images", "", httpx.ASGITransport(app))
    head = await endpoint.post(request(), flight)
    assert endpoint.read(head, flight.body).sketch
    await endpoint.aclose()


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


async def test_providers_of_one_host_and_key_share_their_connections() -> None:
    async with Connections() as connections:

        def to(given: ProviderSpec, key: str) -> object:
            return endpoint_for(given, "images", key, connections=connections)._http

        assert to(spec(name="a"), "k") is to(spec(name="b"), "k")
        assert to(spec(), "k") is not to(spec(), "other")
        chat = endpoint_for(spec(), "chat", "k", connections=connections)
        assert isinstance(chat, ChatEndpoint)
        assert isinstance(endpoint_for(spec(), "images", "k", connections=connections), ImagesEndpoint)


@pytest.mark.parametrize("key", ["sk-\u043a\u043b\u044e\u0447", "sk-a b", "sk-a\nb", "sk-\x00"])
async def test_a_key_that_cannot_travel_is_refused_without_being_printed(key: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        endpoint_for(spec(), "images", Secret(key))
    assert key not in repr(caught.value)


async def test_cookies_are_not_kept() -> None:
    cookie = {"set-cookie": "track=1; Path=/"}
    host = Host(lambda _: httpx.Response(200, content=images_json(PNG), headers=cookie))
    endpoint = endpoint_for(spec(), "images", KEY, host.transport)
    for _ in range(2):
        await endpoint.post(request(), Flight())
    assert "cookie" not in host.requests[-1].headers
    await endpoint.aclose()


async def test_an_unsendable_address_is_the_manifest_s_fault() -> None:
    endpoint = endpoint_for(spec("ftp://host.test/v1"), "images", KEY)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(endpoint.aclose)
        with pytest.raises(BadRequest, match="base_url"):
            await endpoint.post(request(), Flight())


async def many(chunks: int) -> AsyncIterator[bytes]:
    for _ in range(chunks):
        yield b" " * 1000


async def test_the_cap_grows_with_the_pictures_asked_for() -> None:
    profile = Profile(name="openai", max_body=10_000)
    for count, chunks, fits in ((1, 10, True), (1, 11, False), (3, 30, True), (3, 31, False)):
        host = Host(httpx.Response(200, content=many(chunks)))
        endpoint = endpoint_for(spec(profile=profile), "images", KEY, host.transport)
        if fits:
            await endpoint.post(request(count=count), Flight())
        else:
            with pytest.raises(OutcomeUnknown, match="longer"):
                await endpoint.post(request(count=count), Flight())
        await endpoint.aclose()


async def test_a_proxy_of_the_environment_is_used_for_real_hosts_and_never_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    async def host(stream: ByteStream) -> None:
        head, _ = await read_request(stream)
        asked.append(head.split(b"\r\n")[0])
        await stream.send(http("200 OK", images_json(PNG), "connection: close"))

    async with listening(host) as base_url, Connections() as connections:
        monkeypatch.setenv("HTTP_PROXY", base_url.removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", base_url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for target in ("http://host.invalid/v1", base_url):
            endpoint = endpoint_for(spec(target), "images", KEY, connections=connections)
            assert (await endpoint.post(request(), Flight())).status == 200
    assert asked == [
        b"POST http://host.invalid/v1/images/generations HTTP/1.1",
        b"POST /v1/images/generations HTTP/1.1",
    ]


async def test_a_tunnel_that_breaks_before_our_request_means_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await stream.receive()  # the first bytes of TLS, and closes

    flight = Flight()
    async with listening(proxy) as base_url, Connections() as connections:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, base_url.removesuffix("/v1"))
        endpoint = endpoint_for(spec("https://host.invalid/v1"), "images", KEY, connections=connections)
        with pytest.raises(NotSent):
            await endpoint.post(request(), flight)
    assert flight.steps == []


async def test_the_key_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def host(stream: ByteStream) -> None:
        head, _ = await read_request(stream)
        await stream.send(http("401 Unauthorized", b'{"error":{"message":"' + head[-80:].split(b"\r\n")[-1] + b'"}}'))

    head, flight = await posted(host)
    endpoint = endpoint_for(spec(), "images", KEY, Host(httpx.Response(200)).transport)
    with pytest.raises(KeyRefused) as caught:
        endpoint.read(head, flight.body)
    with pytest.raises(OutcomeUnknown) as dropped:
        raise await failure(closes_after_the_request)
    for text in (caplog.text, str(caught.value), repr(dropped.value.__cause__), repr(endpoint), repr(vars(endpoint))):
        assert KEY not in text
    assert caplog.records
