import base64
import json
from pathlib import Path

import pytest

from pipeline.domain.capability import Profile
from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest
from pipeline.domain.request import Turn
from pipeline.provider.chat import image_config
from tests.provider.asking import asked
from tests.provider.hosts import PNG, PNG_2, prepared, request

pytestmark = pytest.mark.anyio


async def test_a_picture_is_asked_for_in_one_user_message() -> None:
    host = await asked(request(protocol="chat", aspect_ratio="16:9", image_size="2K", temperature=0.5))
    assert host.requests[-1].url.path == "/v1/chat/completions"
    assert host.said == {
        "model": "gpt-image-2",
        "messages": [{"role": "user", "content": "a cat"}],
        "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
        "temperature": 0.5,
    }


@pytest.mark.parametrize("options", ["newapi", "google"])
async def test_other_dialects_carry_a_literal_extra_body(options: str) -> None:
    profile = Profile(name="p", options=options)  # type: ignore[arg-type]
    said = (await asked(request(protocol="chat", size="1536x1024", extra_body={"k": 1}), profile)).said
    assert said["extra_body"] == {"k": 1, "google": {"image_config": {"aspect_ratio": "3:2", "image_size": "1K"}}}
    assert "modalities" not in said
    assert "size" not in said


@pytest.mark.parametrize(
    ("params", "config"),
    [
        ({}, {}),
        ({"size": "auto"}, {}),
        ({"size": "1024x1024"}, {"aspect_ratio": "1:1", "image_size": "1K"}),
        ({"size": "1024x1536"}, {"aspect_ratio": "2:3", "image_size": "1K"}),
        ({"size": "2048x2048"}, {"aspect_ratio": "1:1", "image_size": "2K"}),
        ({"size": "1920x1088"}, {"aspect_ratio": "16:9", "image_size": "2K"}),
        ({"size": "2560x1440"}, {"aspect_ratio": "16:9", "image_size": "2K"}),
        ({"size": "3840x2160"}, {"aspect_ratio": "16:9", "image_size": "4K"}),
        ({"size": "4096x4096"}, {"aspect_ratio": "1:1", "image_size": "4K"}),
        ({"size": "1024x1024", "aspect_ratio": "21:9"}, {"aspect_ratio": "21:9", "image_size": "1K"}),
        ({"size": "2K"}, {"image_size": "2K"}),
        ({"size": "0x10"}, {}),
    ],
)
def test_a_size_in_pixels_becomes_the_nearest_ratio_and_size(params: dict[str, Json], config: dict[str, Json]) -> None:
    assert image_config(params) == config


async def test_an_edit_sends_the_earlier_picture_back_in_a_user_message(tmp_path: Path) -> None:
    host = await asked(request(protocol="chat", inputs=(prepared(tmp_path),)))
    messages = host.said["messages"]
    assert isinstance(messages, list)
    [message] = messages
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": "a cat"}, {"type": "image_url", "image_url": {"url": url}}],
    }


@pytest.mark.parametrize(("options", "markdown"), [("openrouter", False), ("newapi", True)])
async def test_the_whole_conversation_goes_where_the_host_wants_it(
    tmp_path: Path, options: str, markdown: bool
) -> None:
    parent, reference = prepared(tmp_path, name="a.png"), prepared(tmp_path, PNG_2, name="b.png")
    turn = Turn(prompt="a bear", inputs=(), picture=parent)
    profile = Profile(name="p", conversation="whole", options=options)  # type: ignore[arg-type]
    given_request = request("make it blue", protocol="chat", inputs=(parent, reference), history=(turn,))
    messages = (await asked(given_request, profile)).said["messages"]
    assert isinstance(messages, list)
    first, answer, last = messages
    assert first == {"role": "user", "content": "a bear"}
    assert isinstance(answer, dict)
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    if markdown:
        assert answer == {"role": "assistant", "content": f"![image]({url})"}
    else:
        assert answer["images"] == [{"type": "image_url", "image_url": {"url": url}}]
    assert json.dumps(last).count("data:image/png") == 1


async def test_history_stays_out_where_the_picture_is_enough(tmp_path: Path) -> None:
    parent = prepared(tmp_path)
    turn = Turn(prompt="a bear", inputs=(), picture=parent)
    host = await asked(request(protocol="chat", inputs=(parent,), history=(turn,)))
    assert len(host.said["messages"]) == 1  # type: ignore[arg-type]


async def test_a_mask_cannot_travel_on_chat(tmp_path: Path) -> None:
    mask = prepared(tmp_path, name="m.png", role="mask")
    with pytest.raises(BadRequest, match="protocol: images"):
        await asked(request(protocol="chat", inputs=(prepared(tmp_path), mask)))


async def test_a_chat_stream_asks_for_usage_too() -> None:
    said = (await asked(request(protocol="chat"), Profile(name="p", stream=True))).said
    assert (said["stream"], said["stream_options"]) == (True, {"include_usage": True})
