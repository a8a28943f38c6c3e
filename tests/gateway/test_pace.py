"""Limits, latency and impatient proxies, on virtual time."""

from typing import Any

import anyio
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import UserError
from pipeline.gateway.config import Latency, parse_latency
from pipeline.gateway.errors import ApiError
from pipeline.gateway.limits import Limits, spell
from tests.gateway.peers import ASK, client_of, events, lenient

virtual = pytest.mark.parametrize("anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})])


@pytest.mark.anyio
@virtual
async def test_the_request_limit_answers_a_genuine_429_that_says_how_long() -> None:
    async with client_of(lenient(rpm=2, inline=True)) as client:
        answers = [await client.post("/images/generations", json=ASK) for _ in range(3)]
        error = answers[2].json()["error"]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
        assert "Limit 2, Used 2, Requested 1. Please try again in 30s." in error["message"]
        assert (answers[2].headers["retry-after"], answers[2].headers["retry-after-ms"]) == ("30", "30000")
        assert answers[1].headers["x-ratelimit-limit-requests"] == "2"
        assert answers[1].headers["x-ratelimit-remaining-requests"] == "0"
        assert answers[1].headers["x-ratelimit-reset-requests"] == "1m0s"
        await anyio.sleep(29.9)
        assert (await client.post("/images/generations", json=ASK)).status_code == 429
        await anyio.sleep(0.2)
        assert (await client.post("/images/generations", json=ASK)).status_code == 200
        other = await client.post("/images/generations", json=ASK, headers={"authorization": "Bearer other"})
        assert other.status_code == 200


@pytest.mark.anyio
@virtual
async def test_n_pictures_count_n_times_at_the_image_limit() -> None:
    async with client_of(lenient(ipm=6, inline=True)) as client:
        first = await client.post("/images/generations", json={**ASK, "n": 4})
        second = await client.post("/images/generations", json={**ASK, "n": 4})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["error"]["type"] == "input-images"
    assert second.headers["retry-after"] == "20"
    assert stats["images_billed"] == 4


@given(
    limit=st.floats(0.5, 500),
    asks=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 10)), min_size=1, max_size=60),
)
def test_no_minute_ever_gives_more_than_a_bucket_and_its_refill(limit: float, asks: list[tuple[float, int]]) -> None:
    limits, now, taken = Limits(None, limit), 0.0, []
    for gap, images in asks:
        now += gap
        try:
            limits.take("key", "model", images, now)
        except ApiError as error:
            wait = int(error.trouble.headers["retry-after-ms"]) / 1000
            limits.take("key", "model", images, now + wait)
            now += wait
        taken.append((now, images))
    for start, _ in taken:
        within = sum(images for at, images in taken if start <= at <= start + 60)
        assert within <= max(1, limit) + limit + 10 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.12, "120ms"), (58.891, "58.891s"), (1, "1s"), (360, "6m0s"), (12.0, "12s")]
)
def test_waits_are_spelled_as_the_maker_does(seconds: float, text: str) -> None:
    assert spell(seconds) == text


@pytest.mark.anyio
@virtual
async def test_latency_follows_quality() -> None:
    latency = parse_latency("genuine/10")
    async with client_of(lenient(latency=latency, inline=True)) as client:
        took = []
        for quality in ("low", "medium", "high"):
            began = anyio.current_time()
            await client.post("/images/generations", json={**ASK, "quality": quality})
            took.append(round(anyio.current_time() - began, 3))
    assert took == [1.0, 4.8, 12.6]


@pytest.mark.parametrize(("text", "seconds"), [("0.2s", 0.2), ("250ms", 0.25), ("2m", 120), ("0", 0), ("1", 1)])
def test_a_latency_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_latency(text) == Latency(seconds=seconds)


def test_a_latency_by_quality_is_read() -> None:
    assert parse_latency("low=1s, high=12s").of("high") == 12


@pytest.mark.parametrize("text", ["fast", "-1s", "1x", "low=", "genuine/0", "genuine/x", ""])
def test_a_latency_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(UserError):
        parse_latency(text)


@pytest.mark.anyio
@virtual
async def test_a_proxy_cuts_the_wait_and_the_picture_is_billed_all_the_same() -> None:
    async with client_of(lenient(latency=Latency(seconds=126), proxy_cut=100, inline=True)) as client:
        began = anyio.current_time()
        answer = await client.post("/images/generations", json=ASK)
        took = anyio.current_time() - began
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert (answer.status_code, round(took)) == (524, 100)
    assert answer.text.startswith("<html>")
    assert stats["images_billed"] == 1


@pytest.mark.anyio
@virtual
@pytest.mark.parametrize(("config", "stream", "status"), [
    ({}, {"stream": True, "partial_images": 0}, 524),
    ({}, {"stream": True, "partial_images": 1}, 200),
    ({"ping": 10.0}, {"stream": True, "partial_images": 0}, 200),
])  # fmt: skip
async def test_partial_pictures_and_pings_keep_the_line_open(
    config: dict[str, Any], stream: dict[str, Any], status: int
) -> None:
    async with client_of(lenient(latency=Latency(seconds=126), proxy_cut=100, inline=True, **config)) as client:
        answer = await client.post("/images/generations", json={**ASK, **stream})
    assert answer.status_code == status
    if status == 200:
        assert events(answer.text)[-1]["type"] == "image_generation.completed"
    assert (": PING" in answer.text) == bool(config)
