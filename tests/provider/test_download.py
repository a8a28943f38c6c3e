from collections.abc import Sequence

import anyio
import httpx
import pytest
from anyio.abc import ByteStream
from trio.testing import MockClock

from pipeline.domain.capability import Profile, Timeout
from pipeline.domain.errors import InputFault, OutcomeUnknown
from pipeline.domain.secret import Secret
from pipeline.provider import Connections, Downloader, endpoint_for
from pipeline.provider.http import HttpPost
from tests.provider.hosts import KEY, PNG, Host, http, listening, read_request, spec
from tests.provider.names import PUBLIC, downloader, serving

pytestmark = pytest.mark.anyio


async def test_a_public_picture_is_fetched_from_the_checked_address() -> None:
    host = serving()
    assert await downloader(host).fetch("https://public.test/a/b.png?sig=a%20b&x=1") == PNG
    [asked] = host.requests
    assert str(asked.url) == f"https://{PUBLIC}/a/b.png?sig=a%20b&x=1"
    assert asked.headers["host"] == "public.test"
    assert asked.extensions["sni_hostname"] == "public.test"
    assert "authorization" not in asked.headers
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/b\u00e4r \u56fe.png", "/b%C3%A4r%20%E5%9B%BE.png"), ("/a%20b.png?x={1}|", "/a%20b.png?x=%7B1%7D%7C")],
)
async def test_letters_that_should_have_been_escaped_lose_no_picture(path: str, sent: str) -> None:
    host = serving()
    assert await downloader(host).fetch("http://public.test" + path) == PNG
    assert host.requests[-1].url.raw_path.decode() == sent


async def test_a_port_and_an_ipv6_address_are_kept() -> None:
    host = serving()
    await downloader(host).fetch("http://v6.test:8080/x.png")
    assert str(host.requests[-1].url) == "http://[2606:4700::6810:1]:8080/x.png"
    assert host.requests[-1].headers["host"] == "v6.test:8080"


def redirecting(*targets: str, status: int = 302) -> Host:
    left = list(targets)

    def answer(_: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(status, headers={"location": left.pop(0)})
        return httpx.Response(200, content=PNG)

    return Host(answer)


async def test_redirects_are_followed_three_times_and_each_is_checked() -> None:
    good = redirecting("/b.png", "https://other.test/c.png", "//public.test/d.png")
    assert await downloader(good).fetch("http://public.test/a.png") == PNG
    assert [asked.headers["host"] for asked in good.requests] == [
        "public.test",
        "public.test",
        "other.test",
        "public.test",
    ]
    with pytest.raises(OutcomeUnknown, match="redirects"):
        await downloader(redirecting(*["/again"] * 4)).fetch("http://public.test/a.png")


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest",
        "http://localhost/x",
        "file:///etc/passwd",
        "http://user@other.test/",
        "http://[::1]/",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_into_a_private_place_is_not_followed(target: str, status: int) -> None:
    host = redirecting(target, status=status)
    with pytest.raises(OutcomeUnknown):
        await downloader(host).fetch("http://public.test/a.png")
    assert len(host.requests) == 1


@pytest.mark.parametrize("allowed", ["internal.test", "internal.test:80", "INTERNAL.test"])
async def test_a_private_host_may_be_allowed(allowed: str) -> None:
    assert await downloader(serving(), allow_private=(allowed,)).fetch("http://internal.test/x.png") == PNG


async def test_an_allowance_for_one_port_is_none_for_another() -> None:
    with pytest.raises(OutcomeUnknown, match="allow_private"):
        await downloader(serving(), allow_private=("internal.test:8080",)).fetch("http://internal.test/x.png")


def own(answer: Host, base_url: str = "http://127.0.0.1:8000/v1") -> HttpPost:
    return HttpPost(base_url=base_url, key=Secret(KEY), timeout=Timeout(), concurrency=1, transport=answer.transport)


async def test_the_own_origin_gets_the_key_and_may_be_anywhere() -> None:
    mine, others = serving(), serving(b"other")
    post = own(mine)
    assert await downloader(others, http=post).fetch("http://127.0.0.1:8000/files/x.png") == PNG
    assert mine.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert others.requests == []
    await post.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.test/x.png",
        "http://api.test:8001/x.png",
        "http://api.test.evil.test/x.png",
        "http://evil.test/x.png",
    ],
)
async def test_another_origin_never_gets_the_key(url: str) -> None:
    async def anywhere(host: str, port: int) -> Sequence[str]:
        return [PUBLIC]

    mine, others = serving(), serving()
    post = own(mine, "http://api.test:8000/v1")
    await downloader(others, http=post, resolve=anywhere).fetch(url)
    assert mine.requests == []
    assert "authorization" not in others.requests[-1].headers
    await post.aclose()


async def test_no_key_goes_along_a_redirect_not_even_home() -> None:
    mine = redirecting("/second.png")
    post = own(mine)
    await downloader(serving(), http=post).fetch("http://127.0.0.1:8000/first.png")
    assert ["authorization" in asked.headers for asked in mine.requests] == [True, False]
    others = redirecting("http://127.0.0.1:8000/x.png")
    await downloader(others, http=post).fetch("http://public.test/first.png")
    assert "authorization" not in mine.requests[-1].headers
    await post.aclose()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(404), "HTTP 404"),
        (httpx.Response(403, content=b"<Error/>"), "HTTP 403"),
        (httpx.Response(204), "HTTP 204"),
        (httpx.Response(302), "HTTP 302"),
        (httpx.Response(200, content=b""), "empty"),
    ],
)
async def test_an_answer_that_is_no_picture_says_what_it_is(answer: httpx.Response, words: str) -> None:
    with pytest.raises(OutcomeUnknown, match=words) as caught:
        await downloader(Host(answer)).fetch("http://public.test/x.png?sig=topsecret")
    assert "topsecret" not in str(caught.value)
    assert "public.test/x.png" in str(caught.value)


async def test_a_download_is_bounded_in_size_and_time() -> None:
    async def endless(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 65536)

    async def dripping(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.02)

    for script, words in ((endless, "longer than"), (dripping, "not there within")):
        async with listening(script) as base_url:
            host = base_url.removeprefix("http://").removesuffix("/v1")
            bounds = Timeout(connect=1, total=0.5, idle=0.3)
            fetcher = Downloader(allow_private=(host,), bounds=bounds, max_bytes=1_000_000, waits=())
            with pytest.raises(OutcomeUnknown, match=words):
                await fetcher.fetch(f"http://{host}/x.png")


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})])
@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_what_may_pass_is_fetched_again_for_it_costs_nothing(status: int) -> None:
    answers = [httpx.Response(status), httpx.Response(status)]
    host = Host(lambda _: answers.pop() if answers else httpx.Response(200, content=PNG))
    start = anyio.current_time()
    assert await downloader(host, waits=(1.0, 4.0)).fetch("http://public.test/x.png") == PNG
    assert anyio.current_time() - start == pytest.approx(5.0)


@pytest.mark.parametrize("status", [400, 401, 410])
async def test_what_will_not_pass_is_not_fetched_again(status: int) -> None:
    host = Host(httpx.Response(status))
    with pytest.raises(OutcomeUnknown):
        await downloader(host, waits=(1.0, 4.0)).fetch("http://public.test/x.png")
    assert len(host.requests) == 1


async def test_a_cut_download_is_no_picture() -> None:
    async def cut(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(http("200 OK", PNG)[:-5])

    async with listening(cut) as base_url:
        host = base_url.removeprefix("http://").removesuffix("/v1")
        with pytest.raises(InputFault):
            await Downloader(allow_private=(host,), waits=()).fetch_input(f"http://{host}/x.png")


async def test_an_endpoint_fetches_from_its_own_loopback_host() -> None:
    async def host(stream: ByteStream) -> None:
        head, _ = await read_request(stream)
        found = b"GET /files/x.png " in head and KEY.encode() in head
        await stream.send(http("200 OK" if found else "404 Not Found", PNG))

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        assert await endpoint.fetch(base_url.removesuffix("/v1") + "/files/x.png") == PNG
        other = base_url.replace("127.0.0.1", "127.0.0.2").removesuffix("/v1") + "/files/x.png"
        with pytest.raises(OutcomeUnknown, match="private"):
            await endpoint.fetch(other)
        bounds = Timeout(connect=0.2, total=0.3, idle=0.2)
        allowed = spec(base_url, allow_private=("127.0.0.2",), profile=Profile(name="p"), timeout=bounds)
        with pytest.raises(OutcomeUnknown, match=r"connect|within"):
            await endpoint_for(allowed, "images", KEY, connections=connections).fetch(other)
