"""Paths, headers, keys, models, errors of the road itself, and what is remembered."""

import anyio
import httpx
import pytest

from pipeline.gateway.app import make_app, plain_path
from pipeline.gateway.config import Latency
from tests.gateway.peers import ASK, client_of, lenient, picture, png

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/generations",
        "/images/generations",
        "//images/generations",
        "/v1//images/generations/",
        "/v1/v1/images/generations",
        "/v1/images//generations//",
        "/images/generations?api-version=2026-01-01",
    ],
)
async def test_every_spelling_of_a_path_arrives(path: str) -> None:
    async with client_of() as client:
        answer = await client.post(httpx.URL(f"http://sketch{path}"), json=ASK)
    assert picture(answer).size == (64, 64)


def test_paths_are_made_plain() -> None:
    assert plain_path("/v1/models/google/gemini-3-pro-image/") == "/models/google/gemini-3-pro-image"
    assert plain_path("/") == plain_path("/v1") == "/"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/completions", 404),
        ("GET", "/v1/images/generations", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/images/variations", 501),
        ("POST", "/v1/files", 501),
        ("GET", "/v1/batches/batch_1", 501),
        ("GET", "/v1/models/gpt-imag", 404),
    ],
)
async def test_a_wrong_road_is_answered_in_the_makers_shape(method: str, path: str, status: int) -> None:
    async with client_of() as client:
        answer = await client.request(method, f"http://sketch{path}")
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


async def test_every_answer_is_signed() -> None:
    async with client_of() as client:
        answers = [
            await client.post("/images/generations", json=ASK),
            await client.post("/images/generations", json={}),
            await client.get("/models"),
            await client.get("/nothing"),
            await client.options("/images/edits"),
            await client.get("http://sketch/"),
        ]
    assert all(answer.headers["x-pipeline-sketch"] == "1" for answer in answers)
    assert all(answer.headers["openai-processing-ms"].isdecimal() for answer in answers)
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_a_browser_may_ask_first() -> None:
    async with client_of() as client:
        answer = await client.options(
            "/images/generations", headers={"origin": "http://app", "access-control-request-method": "POST"}
        )
        made = await client.post("/images/generations", json=ASK, headers={"origin": "http://app"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == made.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]


async def test_models_are_listed_with_an_image_and_a_chat_model() -> None:
    async with client_of() as client:
        body = (await client.get("/models")).json()
        one = (await client.get("/models/gpt-image-2")).json()
    ids = {entry["id"]: entry for entry in body["data"]}
    assert (body["object"], body["success"]) == ("list", True)
    assert ids["gpt-image-2"] == one
    assert ids["gpt-image-2"]["supported_endpoint_types"] == ["image-generation", "openai"]
    assert "gemini-3-pro-image" in ids


async def test_any_key_is_let_in_unless_a_list_is_given() -> None:
    async with client_of() as client:
        assert (await client.post("/images/generations", json=ASK)).status_code == 200
    async with client_of(lenient(keys=("good",))) as client:
        statuses = [
            (await client.post("/images/generations", json=ASK, headers=headers)).status_code
            for headers in (
                {"authorization": "Bearer good"},
                {"authorization": "bearer  good"},
                {"authorization": "Bearer bad"},
                {},
            )
        ]
        refused = await client.get("/models", headers={"authorization": "Bearer very-secret"})
        stats = (await client.get("http://sketch/_gateway/stats")).text
    assert statuses == [200, 200, 401, 401]
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert "secret" not in refused.text
    assert "good" not in stats


async def test_stats_count_requests_bills_and_statuses() -> None:
    async with client_of() as client:
        await client.post("/images/generations", json={**ASK, "n": 3})
        await client.post("/images/generations", json=ASK)
        await client.post("/images/generations", json={**ASK, "prompt": ""})
        await client.post(
            "/images/edits", data={**ASK, "prompt": "red"}, files={"image": ("secret.png", png(), "image/png")}
        )
        await client.get("/models")
        stats = (await client.get("http://sketch/_gateway/stats")).json()
        await client.post("http://sketch/_gateway/reset")
        empty = (await client.get("http://sketch/_gateway/stats")).json()
    assert stats["requests"] == 4
    assert stats["images_billed"] == 5
    assert stats["billed"] == {"a mug": 4, "red": 1}
    assert stats["statuses"] == {"200": 3, "400": 1}
    assert [entry["billed"] for entry in stats["log"]] == [3, 1, 0, 1]
    assert stats["log"][3]["inputs"][0]["bytes"] == len(png())
    assert (empty["requests"], empty["images_billed"], empty["log"]) == (0, 0, [])


async def test_another_site_may_not_reset() -> None:
    async with client_of() as client:
        foreign = await client.post("http://sketch/_gateway/reset", headers={"origin": "http://evil"})
        own = await client.post("http://sketch/_gateway/reset", headers={"origin": "http://sketch"})
    assert (foreign.status_code, own.status_code) == (403, 200)


async def test_concurrency_is_counted() -> None:
    config = lenient(latency=Latency(seconds=0.05))
    async with client_of(config) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(7):
                tasks.start_soon(lambda: client.post("/images/generations", json=ASK))
            await anyio.sleep(0.02)
            during = (await client.get("http://sketch/_gateway/stats")).json()
        after = (await client.get("http://sketch/_gateway/stats")).json()
    assert during["in_flight"] == 7
    assert (after["in_flight"], after["highest_concurrency"]) == (0, 7)


async def test_a_client_that_hangs_up_has_paid() -> None:
    async with client_of(lenient(latency=Latency(seconds=30))) as client:
        with anyio.move_on_after(0.05):
            await client.post("/images/generations", json={**ASK, "n": 2})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert (stats["images_billed"], stats["in_flight"]) == (2, 0)


async def test_the_bill_is_kept_before_the_first_byte() -> None:
    app = make_app(lenient())
    seen: list[int] = []

    async def send(_message: object) -> None:
        seen.append(app.state.gateway.stats.images_billed)

    body = b'{"model":"m","prompt":"x","size":"8x8"}'
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    scope = {
        "type": "http", "method": "POST", "path": "/v1/images/generations", "raw_path": b"", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "scheme": "http", "server": ("sketch", 80), "client": None,
        "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    assert seen == [1, 1]
