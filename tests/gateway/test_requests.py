"""What each dialect accepts and refuses, over the application in this process."""

import base64
import gzip
import json
from typing import Any

import pytest
from PIL import Image

from pipeline.gateway.config import GatewayConfig, ProfileName
from tests.gateway.peers import ASK, client_of, encoded, opened, picture, png

pytestmark = pytest.mark.anyio

OPENAI = GatewayConfig(profile="openai")
BIG = "1024x1024"
ALL: tuple[ProfileName, ...] = ("openai", "clauddy", "dieyuyun", "newapi", "lenient")


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize(
    "change",
    [
        {"prompt": ""},
        {"prompt": "  \n "},
        {"prompt": None},
        {"prompt": 7},
        {"size": "0x64"},
        {"size": "64x0"},
        {"size": "-64x64"},
        {"size": "64\u00d764"},
        {"size": "64X64"},
        {"size": "64*64"},
        {"size": "64 x 64"},
        {"size": "big"},
        {"size": "9000x64"},
        {"size": "64x8193"},
        {"size": "٦٤x٦٤"},
        {"size": "1024"},
        {"size": ["64x64"]},
        {"size": 64},
    ],
)
async def test_an_empty_prompt_or_an_illegal_size_is_a_400_in_every_profile(
    profile: ProfileName, change: dict[str, Any]
) -> None:
    async with client_of(GatewayConfig(profile=profile)) as client:
        answer = await client.post("/images/generations", json={**ASK, **change})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert stats["images_billed"] == 0


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"size": "512x512"}, "size", "invalid_value"),
        ({"size": "4096x4096"}, "size", "invalid_value"),
        ({"size": "1920x1080"}, "size", "invalid_value"),
        ({"size": "576x1024"}, "size", "invalid_value"),
        ({"size": "3840x1264"}, "size", "invalid_value"),
        ({"size": "3840x2176"}, "size", "invalid_value"),
        ({"model": "gpt-image-1.5", "size": "2048x2048"}, "size", "invalid_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"quality": "hd"}, "quality", "invalid_value"),
        ({"quality": "xhigh"}, "quality", "invalid_value"),
        ({"quality": "best"}, "quality", "invalid_value"),
        ({"background": "none"}, "background", "invalid_value"),
        ({"output_format": "bmp"}, "output_format", "invalid_value"),
        ({"output_format": "svg"}, "output_format", "invalid_value"),
        ({"output_compression": 101}, "output_compression", "integer_above_max_value"),
        ({"output_compression": 80}, "output_compression", "invalid_png_output_compression"),
        ({"output_format": "jpeg", "background": "transparent"}, "background", "invalid_value"),
        ({"response_format": "b64_json"}, "response_format", "unknown_parameter"),
        ({"response_format": "url"}, "response_format", "unknown_parameter"),
        ({"style": "vivid"}, "style", "unknown_parameter"),
        ({"input_fidelity": "high"}, "input_fidelity", "unknown_parameter"),
        ({"seed": 7}, "seed", "unknown_parameter"),
        ({"moderation": "none"}, "moderation", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"partial_images": 4}, "partial_images", "integer_above_max_value"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
    ],
)
async def test_openai_answers_a_bad_value_with_the_genuine_400(change: dict[str, Any], param: str, code: str) -> None:
    async with client_of(OPENAI) as client:
        answer = await client.post("/images/generations", json={**ASK, "size": BIG, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert error["type"] in {"invalid_request_error", "image_generation_user_error"}


@pytest.mark.parametrize(
    "change",
    [
        {"background": "transparent"},
        {"background": "transparent", "output_format": "webp"},
        {"output_format": "jpeg", "output_compression": 40},
        {"output_compression": 100},
        {"size": "auto", "quality": "auto", "background": "auto"},
        {"size": "1920x1088"},
        {"model": "gpt-image-2.5-sunburst", "quality": "max"},
        {"model": "chatgpt-image-latest"},
        {"n": None, "quality": None, "background": None, "user": "me", "moderation": "low"},
        {"output_format": "gif", "frame_count": 2},
        {"prompt": "x" * 32_000},
    ],
)
async def test_openai_accepts_what_is_documented(change: dict[str, Any]) -> None:
    async with client_of(OPENAI) as client:
        answer = await client.post("/images/generations", json={**ASK, "size": BIG, "quality": "low", **change})
    body = answer.json()
    assert answer.status_code == 200, body
    width, height = picture(answer).size
    assert body["size"] == f"{width}x{height}"
    assert body["background"] in {"transparent", "opaque"}
    assert body["quality"] != "auto"


@pytest.mark.parametrize(
    ("profile", "model", "status", "code"),
    [
        ("openai", "gpt-image-9", 404, "model_not_found"),
        ("openai", "dall-e-3", 404, "model_not_found"),
        ("newapi", "gpt-imag-2", 503, "model_not_found"),
        ("clauddy", "gpt-4o", 503, "model_not_found"),
        ("lenient", "anything", 200, None),
        ("newapi", "google/gemini-3-pro-image", 200, None),
    ],
)
async def test_an_unknown_model_is_answered_as_each_host_does(
    profile: ProfileName, model: str, status: int, code: str | None
) -> None:
    size = BIG if profile == "openai" else "64x64"
    async with client_of(GatewayConfig(profile=profile)) as client:
        answer = await client.post("/images/generations", json={**ASK, "size": size, "model": model})
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == code


async def test_dieyuyun_gives_urls_with_a_revised_prompt_and_no_usage() -> None:
    async with client_of(GatewayConfig(profile="dieyuyun")) as client:
        answer = await client.post("/images/generations", json={**ASK, "size": None})
        again = await client.post("/images/generations", json={**ASK, "response_format": "b64_json"})
        item = answer.json()["data"][0]
        fetched = await client.get(item["url"])
        edit = await client.post("/images/edits", data={"prompt": "x"}, files={"image": ("a.png", png(), "image/png")})
    assert set(answer.json()) == {"created", "data"}
    assert set(item) == {"url", "revised_prompt"}
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "image/png")
    assert opened(fetched.content).size == (1024, 1024)
    assert picture(again).size == (64, 64)
    assert edit.status_code == 501


async def test_a_hosted_picture_expires_and_a_stranger_finds_nothing() -> None:
    now = 1000.0
    config = GatewayConfig(profile="dieyuyun", url_lifetime=60, clock=lambda: now)
    async with client_of(config) as client:
        url = (await client.post("/images/generations", json=ASK)).json()["data"][0]["url"]
        now = 1059.0
        in_time = await client.get(url)
        now = 1060.0
        late = await client.get(url)
        never = await client.get("http://sketch/_gateway/results/0123.png")
    assert [in_time.status_code, late.status_code, never.status_code] == [200, 403, 404]
    assert late.headers["content-type"].startswith("application/xml")


async def test_newapi_drops_what_it_does_not_know_and_blanks_what_it_does_not_say() -> None:
    async with client_of(GatewayConfig(profile="newapi")) as client:
        answer = await client.post("/images/generations", json={**ASK, "seed": 5, "svg": "junk", "complexity": 3})
        log = (await client.get("http://sketch/_gateway/stats")).json()["log"]
        wrong = [
            await client.post("/images/generations", json={**ASK, "n": 129}),
            await client.post("/images/generations", json={**ASK, "stream": "yes"}),
            await client.post("/images/edits", data=ASK),
        ]
        nameless = await client.post("/images/generations", json={"prompt": "x", "size": "64x64"})
        broken = await client.post("/images/generations", content=b"{", headers={"content-type": "application/json"})
    assert log[0]["dropped"] == ["seed", "svg", "complexity"]
    assert set(answer.json()["data"][0]) == {"url", "b64_json", "revised_prompt"}
    assert answer.json()["data"][0]["url"] == ""
    assert [one.status_code for one in wrong] == [500, 500, 500]
    assert [one.json()["error"]["code"] for one in wrong] == [
        "invalid_request",
        "invalid_request",
        "convert_request_failed",
    ]
    assert "(request id: req_" in wrong[0].json()["error"]["message"]
    assert wrong[0].headers["x-oneapi-request-id"]
    assert nameless.status_code == 503
    assert broken.status_code == 400


async def test_clauddy_always_gives_base64_and_takes_input_fidelity() -> None:
    async with client_of(GatewayConfig(profile="clauddy")) as client:
        made = await client.post("/images/generations", json={**ASK, "response_format": "url"})
        edit = await client.post(
            "/images/edits", data={**ASK, "input_fidelity": "high"}, files={"image[]": ("a.png", png(), "image/png")}
        )
        large = await client.post("/images/generations", json={**ASK, "size": "2560x1440"})
    assert picture(made).size == picture(edit).size == (64, 64)
    assert large.status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"n": NaN}', b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_a_400(body: bytes) -> None:
    async with client_of(OPENAI) as client:
        answer = await client.post("/images/generations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_lone_surrogate_in_a_prompt_breaks_nothing() -> None:
    async with client_of() as client:
        answer = await client.post(
            "/images/generations", content=b'{"prompt":"\\ud800 cat","size":"64x64","model":"m"}'
        )
        stats = await client.get("http://sketch/_gateway/stats")
    assert picture(answer).size == (64, 64)
    assert stats.json()["billed"] == {"? cat": 1}


async def test_a_gzip_body_is_read_and_a_bomb_is_not() -> None:
    async with client_of(GatewayConfig(profile="lenient", body_limit=100_000)) as client:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        good = await client.post(
            "/images/generations", content=gzip.compress(json.dumps(ASK).encode()), headers=headers
        )
        bomb = await client.post("/images/generations", content=gzip.compress(b" " * 10_000_000), headers=headers)
        cut = await client.post("/images/generations", content=gzip.compress(b"{}")[:-4], headers=headers)
        large = await client.post("/images/generations", content=b" " * 100_001)
    assert [good.status_code, bomb.status_code, cut.status_code, large.status_code] == [200, 413, 400, 413]


FILE = ("a.png", png(), "image/png")


@pytest.mark.parametrize(
    ("files", "strict", "relaxed"),
    [
        ([("image", FILE)], 200, 200),
        ([("image[]", FILE)], 200, 200),
        ([("image[]", FILE), ("image[]", FILE)], 200, 200),
        ([("image", FILE), ("image", FILE)], 400, 200),
        ([("image", FILE), ("image[]", FILE)], 400, 200),
        ([("image[0]", FILE), ("image[1]", FILE)], 200, 200),
        ([("image[]", FILE)] * 16, 200, 200),
        ([("image[]", FILE)] * 17, 400, 400),
        ([("image", ("upload", png(), "application/octet-stream"))], 400, 200),
        ([("image", ("a.png", b"not a picture", "image/png"))], 400, 400),
        ([("image", ("a.png", png()[:60], "image/png"))], 400, 400),
        ([("image", ("a.png", encoded(Image.new("P", (64, 64))), "image/png"))], 400, 200),
        ([("image", ("a.jpg", encoded(Image.new("CMYK", (64, 64)), "JPEG"), "image/jpeg"))], 400, 200),
        ([("image", ("é中.png", png(), "image/png"))], 200, 200),
        ([("mask", FILE)], 400, 400),
        ([("image", FILE), ("mask", ("m.png", png(64, 64, (0, 0, 0, 0)), "image/png"))], 200, 200),
        ([("image", FILE), ("mask", ("m.png", png(64, 64), "image/png"))], 400, 400),
        ([("image", FILE), ("mask", ("m.png", png(32, 64, (0, 0, 0, 0)), "image/png"))], 400, 400),
    ],
)
async def test_the_files_of_an_edit_are_judged_by_each_dialect(
    files: list[tuple[str, tuple[str, bytes, str]]], strict: int, relaxed: int
) -> None:
    for profile, size, status in (("openai", BIG, strict), ("lenient", "64x64", relaxed)):
        async with client_of(GatewayConfig(profile=profile)) as client:  # type: ignore[arg-type]
            answer = await client.post("/images/edits", data={**ASK, "size": size, "quality": "low"}, files=files)
        assert answer.status_code == status, (profile, answer.text[:300])


async def test_newapi_loses_the_second_kind_of_name() -> None:
    async with client_of(GatewayConfig(profile="newapi")) as client:
        await client.post("/images/edits", data=ASK, files=[("image[]", FILE), ("image", FILE), ("image[]", FILE)])
        log = (await client.get("http://sketch/_gateway/stats")).json()["log"]
    assert len(log[0]["inputs"]) == 1


async def test_a_json_edit_takes_data_urls_and_fetches_nothing() -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    mask = "data:image/png;base64," + base64.b64encode(png(64, 64, (0, 0, 0, 0))).decode()
    ask = {**ASK, "size": BIG}
    async with client_of(OPENAI) as client:
        good = await client.post(
            "/images/edits", json={**ask, "images": [{"image_url": url}], "mask": {"image_url": mask}}
        )
        wrong = [
            await client.post("/images/edits", json={**ask, "images": images})
            for images in (
                [],
                [{"image_url": "https://example.com/a.png"}],
                [{"file_id": "file-1"}],
                [{"image_url": url, "file_id": "x"}],
                [7],
                [{"image_url": "data:image/png;base64,!!"}],
            )
        ]
    assert picture(good).size == (1024, 1024)
    assert [answer.status_code for answer in wrong] == [400] * 6


@pytest.mark.parametrize(
    "body",
    [b"", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhalf', b"junk", b"--x--\r\n"],
)
async def test_a_broken_form_is_a_400(body: bytes) -> None:
    async with client_of(OPENAI) as client:
        answer = await client.post(
            "/images/edits", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
        )
        bare = await client.post("/images/edits", content=body, headers={"content-type": "multipart/form-data"})
    assert (answer.status_code, bare.status_code) == (400, 400)


async def test_usage_follows_the_published_formula() -> None:
    async with client_of(OPENAI) as client:
        answer = await client.post("/images/generations", json={**ASK, "size": BIG, "quality": "high", "n": 2})
        edit = await client.post(
            "/images/edits",
            data={**ASK, "size": BIG, "quality": "low"},
            files={"image": ("a.png", png(64, 64), "image/png")},
        )
    assert answer.json()["usage"]["output_tokens"] == 2 * 7024
    usage = edit.json()["usage"]
    assert (usage["output_tokens"], usage["input_tokens_details"]["image_tokens"]) == (196, 4)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
