"""The official openai package of Node against the gateway, in two majors."""

import base64
from pathlib import Path
from typing import Any

import pytest

from pipeline.gateway.config import GatewayConfig
from tests.gateway.peers import opened, png, served
from tests.peers.npm import node, seen_by

pytestmark = pytest.mark.node


@pytest.fixture(scope="module", params=["openai", "openai-newest"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    node()
    folder: Path = tmp_path_factory.mktemp("node")
    (folder / "input.png").write_bytes(png(128, 128))
    (folder / "mask.png").write_bytes(png(128, 128, (0, 0, 0, 0)))
    with served(GatewayConfig()) as base_url:
        return seen_by("openai.mjs", request.param, base_url, str(folder / "input.png"), str(folder / "mask.png"))


def pictures(answer: Any) -> list[Any]:
    assert "thrown" not in answer, answer
    return [opened(base64.b64decode(item["b64_json"])) for item in answer["data"]]


def test_it_generates(seen: dict[str, Any]) -> None:
    answer = seen["generate"]
    first, second = pictures(answer)
    assert first.size == second.size == (1024, 1024)
    assert first.tobytes() != second.tobytes()
    assert answer["usage"]["output_tokens"] == 2 * 196
    assert (answer["quality"], answer["background"], answer["output_format"]) == ("low", "opaque", "png")
    (cut_out,) = pictures(seen["transparent"])
    assert (cut_out.format, cut_out.mode) == ("WEBP", "RGBA")
    assert cut_out.getextrema()[3][0] == 0


@pytest.mark.parametrize("case", ["edit_one", "edit_several", "edit_mask"])
def test_it_edits(seen: dict[str, Any], case: str) -> None:
    assert [picture.size for picture in pictures(seen[case])] == [(1024, 1024)]


def test_it_streams(seen: dict[str, Any]) -> None:
    assert [event["type"] for event in seen["stream"]] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.get("partial_image_index") for event in seen["stream"]] == [0, 1, None]
    assert opened(base64.b64decode(seen["stream"][-1]["b64_json"])).size == (1024, 1024)
    assert [event["type"] for event in seen["stream_edit"]] == ["image_edit.completed"]
    assert seen["stream_error"]["thrown"] == "APIError"


@pytest.mark.parametrize(
    ("case", "thrown", "status", "code"),
    [
        ("edit_nameless", "BadRequestError", 400, "unsupported_file_mimetype"),
        ("unknown_parameter", "BadRequestError", 400, "unknown_parameter"),
        ("bad_size", "BadRequestError", 400, "invalid_value"),
        ("unknown_model", "NotFoundError", 404, "model_not_found"),
        ("moderation", "BadRequestError", 400, "moderation_blocked"),
        ("key", "AuthenticationError", 401, "invalid_api_key"),
        ("verification", "PermissionDeniedError", 403, None),
        ("quota_403", "PermissionDeniedError", 403, "insufficient_user_quota"),
        ("conflict", "ConflictError", 409, None),
        ("too_large", "APIError", 413, "read_request_body_failed"),
        ("unprocessable", "UnprocessableEntityError", 422, None),
        ("rate", "RateLimitError", 429, "rate_limit_exceeded"),
        ("quota", "RateLimitError", 429, "insufficient_quota"),
        ("server", "InternalServerError", 500, None),
        ("proxy", "InternalServerError", 524, None),
        ("drop", "APIConnectionError", None, None),
        ("truncated", "TypeError", None, None),
    ],
)
def test_it_sees_errors_as_its_own(
    seen: dict[str, Any], case: str, thrown: str, status: int | None, code: str | None
) -> None:
    saw = seen[case]
    assert (saw["thrown"], saw["status"], saw["code"]) == (thrown, status, code)


def test_it_lists_models_and_chats(seen: dict[str, Any]) -> None:
    assert "gpt-image-2" in seen["models"]
    assert seen["one_model"]["id"] == "gpt-image-2"
    message = seen["chat"]["choices"][0]["message"]
    assert message["content"].startswith("![image](data:image/png;base64,")
    chunks = [chunk["choices"][0] for chunk in seen["chat_stream"] if chunk["choices"]]
    assert "".join(chunk["delta"].get("content", "") for chunk in chunks) == message["content"]
    assert chunks[-1]["finish_reason"] == "stop"


def test_it_asks_again_as_it_does_at_the_makers(seen: dict[str, Any]) -> None:
    """Three times unless told otherwise, and after the wait it was told."""
    assert seen["naive_retries"] == {"requests": 3}
    assert seen["waits_as_told"] == {"requests": 2, "pictures": 1}
