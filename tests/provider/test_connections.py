import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import httpx
import pytest
from anyio.abc import ByteStream

from pipeline.domain.capability import Limits, Profile
from pipeline.domain.errors import (
    BadRequest,
    KeyRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.domain.secret import Secret
from pipeline.manifest.model import ProviderSpec
from pipeline.provider import ChatEndpoint, Connections, ImagesEndpoint, endpoint_for
from tests.provider.hosts import (
    KEY,
    PNG,
    Flight,
    Host,
    http,
    images_json,
    listening,
    read_request,
    request,
    spec,
)
from tests.provider.posting import closes_after_the_request, failure, posted

pytestmark = pytest.mark.anyio


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
