"""What Open WebUI, Cherry Studio, Chatbox and the AI SDK send (from their sources) is answered so that they work.

Each file of requests names, for each profile, how the client would read the answer: the form of its pictures, a chat,
or the genuine error it would show.
"""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from pipeline.gateway.app import make_app
from pipeline.gateway.config import GatewayConfig
from tests.gateway.peers import encoded, events, opened, png

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "requests"
PICTURES = {
    "image/png": png(1024, 1024, (200, 40, 40, 255)),
    "image/jpeg": encoded(Image.new("RGB", (640, 480), (9, 99, 9)), "JPEG"),
}
MASK = png(1024, 1024, (0, 0, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request of a client. answers: how it reads the answer, by profile."""

    about: str
    path: str
    answers: dict[str, str]
    method: str = "POST"
    json: dict[str, Any] | None = None
    form: list[list[Any]] = field(default_factory=list)

    def files(self) -> list[tuple[str, tuple[str | None, Any, str | None]]]:
        """The parts of a form, in their order."""
        parts: list[tuple[str, tuple[str | None, Any, str | None]]] = []
        for name, value in self.form:
            if isinstance(value, str):
                parts.append((name, (None, value.encode(), None)))
            else:
                data = MASK if name == "mask" else PICTURES[value["type"]]
                parts.append((name, (value["filename"], data, value["type"])))
        return parts


def with_picture(value: Any) -> Any:
    text = json.dumps(value).replace("PICTURE", f"data:image/png;base64,{base64.b64encode(png()).decode()}")
    return json.loads(text)


CASES = [
    pytest.param(Sent(**entry), profile, id=f"{file.stem}-{number}-{profile}")
    for file in sorted(FOLDER.glob("*.json"))
    for number, entry in enumerate(json.loads(file.read_text(encoding="utf-8")), 1)
    for profile in entry["answers"]
]


@pytest.mark.parametrize(("sent", "profile"), CASES)
async def test_what_a_client_sends_is_answered_as_it_reads(sent: Sent, profile: Any) -> None:
    transport = httpx.ASGITransport(make_app(GatewayConfig(profile=profile)))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.request(
            sent.method,
            httpx.URL(f"http://sketch{sent.path}"),
            json=with_picture(sent.json) if sent.json else None,
            files=sent.files() or None,
            headers={"authorization": "Bearer sk-test"},
        )
        stats = (await client.get("http://sketch/_gateway/stats")).json()
        expected = sent.answers[profile]
        if expected == "url":
            for item in answer.json()["data"]:
                hosted = await client.get(item["url"])
                assert hosted.headers["content-type"].startswith("image/")
                opened(hosted.content)
        else:
            READERS.get(expected, refused)(answer, expected)
    drawn = 0 if expected[:1].isdigit() or sent.method == "GET" else int((sent.json or {}).get("n", 1))
    assert stats["images_billed"] == drawn
    if sent.form and drawn:
        assert len(stats["log"][0]["inputs"]) == sum(name.startswith("image") for name, _ in sent.form)


def in_json(answer: httpx.Response, _expected: str) -> None:
    assert answer.status_code == 200, answer.text[:300]
    assert answer.headers["content-type"] == "application/json"
    for item in answer.json()["data"]:
        opened(base64.b64decode(item["b64_json"]))


def in_chat(answer: httpx.Response, _expected: str) -> None:
    choice = answer.json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    from_markdown(choice["message"]["content"])


def in_chat_stream(answer: httpx.Response, _expected: str) -> None:
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    chunks = events(answer.text)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    from_markdown("".join(choice["delta"].get("content", "") for choice in choices))


def from_markdown(text: str) -> None:
    head, _, picture = text.removesuffix(")").partition("base64,")
    assert head == "![image](data:image/png;"
    opened(base64.b64decode(picture))


def listed(answer: httpx.Response, _expected: str) -> None:
    models = answer.json()["data"]
    assert {"gpt-image-2", "gemini-3-pro-image"} <= {model["id"] for model in models}
    assert all(model["object"] == "model" and model["supported_endpoint_types"] for model in models)


def refused(answer: httpx.Response, expected: str) -> None:
    """``STATUS CODE PARAM``; a dash where the maker names no code."""
    status, code, *param = expected.split()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"] or "-") == (int(status), code)
    assert error["message"]
    assert not param or error["param"] == param[0]


READERS = {"b64_json": in_json, "chat": in_chat, "chat stream": in_chat_stream, "models": listed}
