"""The AI SDK of Node against the gateway, in two majors: what Cherry Studio and Chatbox are built on."""

import base64
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.gateway.config import GatewayConfig, ProfileName
from tests.gateway.peers import opened, png, served
from tests.peers.npm import node, seen_by

pytestmark = pytest.mark.node

PROFILES: tuple[ProfileName, ...] = ("openai", "lenient", "newapi", "dieyuyun")


@pytest.fixture(scope="module", params=["", "-newest"], ids=["ai", "ai-newest"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    node()
    folder: Path = tmp_path_factory.mktemp("ai")
    (folder / "input.png").write_bytes(png(1024, 1024))
    (folder / "mask.png").write_bytes(png(1024, 1024, (0, 0, 0, 0)))
    with ExitStack() as gateways:
        urls = [gateways.enter_context(served(GatewayConfig(profile=profile))) for profile in PROFILES]
        saw = seen_by("ai.mjs", request.param, *urls, str(folder / "input.png"), str(folder / "mask.png"))
    return {**saw, "newest": request.param != ""}


def sizes(answer: dict[str, Any]) -> list[tuple[int, int]]:
    assert "thrown" not in answer, answer
    return [opened(base64.b64decode(image["base64"])).size for image in answer["images"]]


def test_its_openai_provider_generates_and_edits(seen: dict[str, Any]) -> None:
    assert sizes(seen["official"]) == [(1024, 1024)] * 2
    assert seen["official"]["usage"]["outputTokens"] == 2 * 196
    assert sizes(seen["official_edit"]) == sizes(seen["official_edit_several"]) == [(1024, 1024)]
    assert "safety system" in seen["official_refused"]["message"]


@pytest.mark.parametrize("case", ["lenient", "newapi", "url_host", "edit"])
def test_its_compatible_provider_generates_and_edits(seen: dict[str, Any], case: str) -> None:
    assert sizes(seen[f"compatible_{case}"]) == [(1024, 1024)]


def test_a_response_format_meets_the_genuine_refusal(seen: dict[str, Any]) -> None:
    """The compatible provider sends it with every model; the newest leaves it out for gpt-image-2."""
    if seen["newest"]:
        assert sizes(seen["compatible_strict"]) == [(1024, 1024)]
    else:
        assert seen["compatible_strict"]["message"] == "Unknown parameter: 'response_format'."


def test_a_host_of_urls_fails_it_as_it_does_in_life(seen: dict[str, Any]) -> None:
    assert seen["official_on_url_host"]["message"] == "Invalid JSON response"


@pytest.mark.parametrize("case", ["chat", "chat_stream", "chat_on_the_images_route"])
def test_it_chats_also_where_its_body_goes_to_the_images_route(seen: dict[str, Any], case: str) -> None:
    saw = seen[case]
    assert saw["finish"] == "stop"
    head, _, picture = saw["text"].removesuffix(")").partition("base64,")
    assert head == "![image](data:image/png;"
    assert opened(base64.b64decode(picture)).size == (1024, 1024)
    assert saw.get("errors", []) == []
