"""Server-sent events of the images routes."""

import base64

import pytest

from pipeline.gateway.config import GatewayConfig
from tests.gateway.peers import ASK, client_of, events, lenient, opened, png

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("partials", [0, 1, 2, 3])
@pytest.mark.parametrize("n", [1, 2])
async def test_a_stream_has_its_partials_and_one_completed_event_for_each_picture(partials: int, n: int) -> None:
    ask = {**ASK, "stream": True, "partial_images": partials, "n": n}
    async with client_of() as client:
        answer = await client.post("/images/generations", json=ask)
        whole = await client.post("/images/generations", json={**ASK, "n": n})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    completed = [event for event in told if event["type"] == "image_generation.completed"]
    partial = [event for event in told if event["type"] == "image_generation.partial_image"]
    assert len(completed) == n
    assert [event["partial_image_index"] for event in partial] == [i for i in range(partials) for _ in range(n)]
    assert [event["b64_json"] for event in completed] == [item["b64_json"] for item in whole.json()["data"]]
    assert all(event["usage"]["output_tokens"] for event in completed)
    assert completed[0]["size"] == "64x64"
    assert stats["images_billed"] == 2 * n
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in told]


async def test_an_edit_streams_its_own_family_of_events() -> None:
    data = {**ASK, "stream": "true", "partial_images": "1"}
    async with client_of() as client:
        answer = await client.post("/images/edits", data=data, files={"image": ("a.png", png(), "image/png")})
    assert [event["type"] for event in events(answer.text)] == ["image_edit.partial_image", "image_edit.completed"]


async def test_partials_cost_tokens() -> None:
    async with client_of() as client:
        plain = await client.post("/images/generations", json={**ASK, "stream": True})
        partial = await client.post("/images/generations", json={**ASK, "stream": True, "partial_images": 2})
    costs = [events(answer.text)[-1]["usage"]["output_tokens"] for answer in (plain, partial)]
    assert costs[1] - costs[0] == 200


async def test_newapi_ends_a_stream_with_done() -> None:
    async with client_of(GatewayConfig(profile="newapi")) as client:
        answer = await client.post("/images/generations", json={**ASK, "stream": True})
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("fault", "types"),
    [
        ("stream_error", ["image_generation.partial_image", "error"]),
        ("stream_cut", ["image_generation.partial_image"]),
        ("empty_data", ["image_generation.partial_image"]),
        ("ok_error", ["image_generation.partial_image", "error"]),
        ("no_created", ["image_generation.partial_image", "image_generation.completed"]),
    ],
)
async def test_a_stream_can_fail(fault: str, types: list[str]) -> None:
    ask = {**ASK, "prompt": f"[[fault:{fault}]]", "stream": True, "partial_images": 1}
    async with client_of() as client:
        answer = await client.post("/images/generations", json=ask)
    assert answer.status_code == 200
    assert [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")] == types


@pytest.mark.parametrize(
    ("fault", "status"), [("moderation", 400), ("moderation_output", 400), ("502", 502), ("429", 429)]
)
async def test_an_error_answers_a_stream_with_its_status(fault: str, status: int) -> None:
    async with client_of() as client:
        answer = await client.post("/images/generations", json={**ASK, "prompt": f"[[fault:{fault}]]", "stream": True})
    assert answer.status_code == status


async def test_json_can_answer_a_stream() -> None:
    ask = {**ASK, "prompt": "[[fault:json_to_stream]]", "stream": True}
    async with client_of(lenient()) as client:
        answer = await client.post("/images/generations", json=ask)
    assert answer.headers["content-type"] == "application/json"
    assert opened(base64.b64decode(answer.json()["data"][0]["b64_json"])).size == (64, 64)
