"""Chat completions with pictures."""

import base64
import json
from typing import Any

import pytest

from pipeline.gateway.chat import read_talk
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.errors import ApiError
from tests.gateway.peers import client_of, events, lenient, opened, png

pytestmark = pytest.mark.anyio

URL = "data:image/png;base64," + base64.b64encode(png()).decode()
OTHER = "data:image/png;base64," + base64.b64encode(png(colour=(1, 2, 3))).decode()


def ask(prompt: str = "a cat", **rest: Any) -> dict[str, Any]:
    return {"model": "google/gemini-3-pro-image", "messages": [{"role": "user", "content": prompt}], **rest}


def part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def found(message: dict[str, Any], shape: str) -> bytes:
    content = message["content"]
    match shape:
        case "a":
            url = message["images"][0]["image_url"]["url"]
        case "d":
            url = next(entry for entry in content if entry["type"] == "image_url")["image_url"]["url"]
        case "e":
            return base64.b64decode(content)
        case _:
            url = content.removeprefix("![image](").removesuffix(")")
    return base64.b64decode(url.partition(",")[2])


@pytest.mark.parametrize("shape", ["a", "b", "d", "e"])
async def test_each_shape_carries_the_picture(shape: str) -> None:
    async with client_of(lenient(chat_shape=shape)) as client:
        body = (await client.post("/chat/completions", json=ask())).json()
    choice = body["choices"][0]
    assert opened(found(choice["message"], shape)).size == (1024, 1024)
    assert (body["object"], choice["finish_reason"]) == ("chat.completion", "stop")
    assert body["usage"]["completion_tokens_details"]["image_tokens"] > 0


async def test_a_prompt_can_choose_the_shape_and_a_url_can_be_fetched() -> None:
    async with client_of() as client:
        body = (await client.post("/chat/completions", json=ask("a cat [[shape:c]]"))).json()
        url = body["choices"][0]["message"]["content"].removeprefix("![image](").removesuffix(")")
        assert opened((await client.get(url)).content).size == (1024, 1024)


async def test_a_chat_streams_role_content_reason_usage_and_done() -> None:
    async with client_of() as client:
        answer = await client.post("/chat/completions", json=ask(stream=True))
    chunks = events(answer.text)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert [chunk["object"] for chunk in chunks] == ["chat.completion.chunk"] * len(chunks)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[1]["choices"][0]["delta"]["content"].startswith("![image](data:image/png;base64,")
    assert chunks[2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[3]["usage"]["total_tokens"] > 0


async def test_a_chat_body_on_the_images_route_is_answered_as_a_chat() -> None:
    body = {
        "model": "gpt-image-2",
        "messages": [{"role": "user", "content": "a cat"}],
        "stream": True,
        "temperature": 1,
    }
    for profile in ("openai", "clauddy"):
        async with client_of(GatewayConfig(profile=profile)) as client:
            answer = await client.post("/images/generations", json=body)
            stats = (await client.get("http://sketch/_gateway/stats")).json()
        reasons = [choice["finish_reason"] for chunk in events(answer.text) for choice in chunk["choices"]]
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert reasons[-1] == "stop"
        assert stats["billed"] == {"a cat": 1}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (1024, 1024)),
        ({"image_config": {"aspect_ratio": "16:9"}}, (1344, 768)),
        ({"image_config": {"aspect_ratio": "2:3", "image_size": "2K"}}, (1664, 2496)),
        ({"extra_body": {"google": {"image_config": {"aspect_ratio": "4:3", "image_size": "512"}}}}, (592, 432)),
        ({"size": "96x48"}, (96, 48)),
    ],
)
async def test_every_dialect_of_size_is_understood(options: dict[str, Any], size: tuple[int, int]) -> None:
    async with client_of(lenient(chat_shape="e")) as client:
        body = (await client.post("/chat/completions", json=ask(**options))).json()
    assert opened(found(body["choices"][0]["message"], "e")).size == size


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "m-image"},
        {"model": "m-image", "messages": []},
        {"model": "m-image", "messages": ["x"]},
        {"model": "m-image", "messages": [{"role": "user", "content": ""}]},
        {"model": "m-image", "messages": [{"role": "user", "content": [part("http://example.com/a.png")]}]},
        {
            "model": "m-image",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part("data:,x")]}],
        },
        ask(image_config={"aspect_ratio": "7:1"}),
        ask(image_config={"image_size": "1k"}),
        ask(size="0x0"),
    ],
)
async def test_a_bad_chat_is_a_400(body: dict[str, Any]) -> None:
    async with client_of() as client:
        answer = await client.post("/chat/completions", json=body)
    assert (answer.status_code, set(answer.json()["error"])) == (400, {"message", "type", "param", "code"})


async def test_a_model_without_pictures_answers_in_words() -> None:
    async with client_of() as client:
        body = (await client.post("/chat/completions", json={**ask(), "model": "gpt-5"})).json()
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert "data:image" not in json.dumps(body)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert stats["images_billed"] == 0


def test_the_pictures_of_a_conversation_are_those_since_the_last_answer() -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You draw."},
        {"role": "user", "content": [{"type": "text", "text": "first"}, part(URL)]},
        {"role": "assistant", "content": "here", "images": [part(OTHER)]},
        {"role": "user", "content": "now red"},
    ]
    talk = read_talk(messages)
    assert (talk.prompt, [upload.data for upload in talk.uploads]) == ("now red", [png(colour=(1, 2, 3))])
    messages[2] = {"role": "assistant", "content": f"![image]({OTHER})"}
    assert read_talk(messages).uploads == talk.uploads
    messages[3] = {"role": "user", "content": [{"type": "text", "text": "now red"}, part(OTHER), part(URL)]}
    assert [upload.data for upload in read_talk(messages).uploads] == [png(colour=(1, 2, 3)), png()]


def test_markdown_pictures_are_no_part_of_the_instruction() -> None:
    talk = read_talk([{"role": "user", "content": f"make it blue ![x]({URL})"}])
    assert (talk.prompt, len(talk.uploads)) == ("make it blue", 1)
    with pytest.raises(ApiError):
        read_talk([{"role": "user", "content": f"![x]({URL})"}])


@pytest.mark.parametrize(("fault", "reason"), [("chat_filtered", "content_filter"), ("chat_no_picture", "stop")])
async def test_a_chat_can_bring_no_picture(fault: str, reason: str) -> None:
    async with client_of() as client:
        body = (await client.post("/chat/completions", json=ask(f"x [[fault:{fault}]]"))).json()
    assert body["choices"][0]["finish_reason"] == reason
    assert "data:image" not in json.dumps(body)
