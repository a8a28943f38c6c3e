from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import ByteStream

from pipeline.domain.errors import (
    BadRequest,
    DiskFull,
    NotSent,
    OutcomeUnknown,
    ProviderError,
)
from pipeline.provider import Connections, endpoint_for
from tests.provider.hosts import (
    KEY,
    PNG,
    Flight,
    Host,
    http,
    images_json,
    listening,
    prepared,
    read_request,
    request,
    spec,
)
from tests.provider.posting import PATIENT, SHORT, closes_after_the_request, failure, posted

pytestmark = pytest.mark.anyio


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
