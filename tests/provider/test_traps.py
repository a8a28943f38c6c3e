"""What breaks naive clients: one row or test for each of the twenty-six known traps, by number."""

import base64
import json
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import ByteStream

from pipeline.domain.capability import Profile, Timeout
from pipeline.domain.digest import Json
from pipeline.domain.errors import (
    BadRequest,
    ModelMissing,
    NoFunds,
    OutcomeUnknown,
    ProviderError,
    Refused,
    ServerFault,
    Throttled,
)
from pipeline.domain.request import Answer
from pipeline.provider import Connections, endpoint_for
from tests.provider.hosts import (
    B64,
    KEY,
    PNG,
    PNG_2,
    Flight,
    Host,
    http,
    images_json,
    listening,
    prepared,
    read_request,
    request,
    spec,
)

pytestmark = pytest.mark.anyio
PAGE = b"<html><head><title>Sign in</title></head></html>"
DATA_URL = "data:image/png;base64," + B64


def error(message: str, code: str = "", kind: str = "invalid_request_error", param: str = "") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def data(*items: Json) -> bytes:
    return json.dumps({"data": list(items)}).encode()


def event(value: Json, name: str = "image_generation.completed") -> bytes:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()


async def outcome(status: int, body: bytes, **headers: str) -> Answer:
    """What an endpoint makes of one answer, sent over its transport and read from its flight."""
    host = Host(lambda _: httpx.Response(status, content=body, headers=headers))
    endpoint, flight = endpoint_for(spec(), "images", KEY, host.transport), Flight()
    head = await endpoint.post(request(size="1024x1024"), flight)
    await endpoint.aclose()
    assert len(host.requests) == 1
    return endpoint.read(head, flight.body)


PICTURES: list[tuple[str, bytes, list[bytes]]] = [
    ("2 prefixed", data({"b64_json": DATA_URL}), [PNG]),
    ("2 blank b64 beside a url", data({"b64_json": "", "url": DATA_URL}), [PNG]),
    ("2 null b64 beside a url", data({"b64_json": None, "url": DATA_URL}), [PNG]),
    ("2 blank url beside b64", data({"b64_json": B64, "url": ""}), [PNG]),
    ("2 fewer than asked", data({"b64_json": B64}, {"b64_json": ""}), [PNG]),
    ("2 more than asked", images_json(PNG, PNG_2), [PNG, PNG_2]),
    ("4 newlines before JSON", b"\n" * 500 + images_json(PNG), [PNG]),
    ("6 pings hold the line", b": PING\n\n" * 20 + event({"b64_json": B64}), [PNG]),
    ("19 JSON answered to a stream", images_json(PNG), [PNG]),
    ("19 doubled prefix", b"data: data: " + images_json(PNG) + b"\n\ndata: : PING\n\n", [PNG]),
    ("19 no DONE", event({"b64_json": B64}), [PNG]),
    ("19 wrong event name on edits", event({"type": "image_edit.completed", "b64_json": B64}, "message"), [PNG]),
    ("20 tens of megabytes", images_json(PNG) + b" " * 20_000_000, [PNG]),
    ("21 echoes nothing", data({"b64_json": B64}), [PNG]),
    ("25 revised prompt is blank", data({"b64_json": B64, "revised_prompt": ""}), [PNG]),
]


@pytest.mark.parametrize(("trap", "body", "pictures"), PICTURES, ids=[row[0] for row in PICTURES])
async def test_a_picture_is_not_lost(trap: str, body: bytes, pictures: list[bytes]) -> None:
    assert [picture.data for picture in (await outcome(200, body)).pictures] == pictures, trap


ERRORS: list[tuple[str, int, bytes, type[ProviderError]]] = [
    (
        "1 response_format refused",
        400,
        error("Unknown parameter", "unknown_parameter", param="response_format"),
        BadRequest,
    ),
    ("2 data is []", 200, b'{"data":[]}', OutcomeUnknown),
    ("2 data is null", 200, b'{"data":null}', OutcomeUnknown),
    ("3 200 with an error", 200, error("blocked", "moderation_blocked"), Refused),
    ("3 200 with a page", 200, PAGE, OutcomeUnknown),
    ("3 error after padding", 200, b"\n\n   " + error("no money", "insufficient_quota"), NoFunds),
    (
        "4 late failure is a 200",
        200,
        b"\n" * 90 + error("upstream failed", "server_error", "server_error"),
        ServerFault,
    ),
    ("6 cut by nginx", 504, b"<html><title>504 Gateway Time-out</title></html>", OutcomeUnknown),
    ("6 cut by Cloudflare", 524, b'{"title":"timeout","status":524}', OutcomeUnknown),
    ("7 bare image repeated", 400, error("Duplicate parameter: 'image'."), BadRequest),
    ("8 octet-stream", 400, error("wants image/png", "unsupported_file_mimetype", param="image[0]"), BadRequest),
    (
        "9 input_fidelity",
        400,
        error("does not support", "invalid_input_fidelity_model", param="input_fidelity"),
        BadRequest,
    ),
    (
        "10 transparent",
        400,
        error("Transparent background is not supported for this model.", "invalid_value"),
        BadRequest,
    ),
    ("11 png compression", 400, error("png", "invalid_png_output_compression"), BadRequest),
    ("12 palette or CMYK", 400, error("Invalid image file or mode for image 1", "invalid_image_file"), BadRequest),
    (
        "13 mask without alpha",
        400,
        error("Invalid mask image: must have an alpha channel", "invalid_value"),
        BadRequest,
    ),
    ("14 size", 500, error("size contains \u00d7", "convert_request_failed", "new_api_error"), BadRequest),
    ("15 output moderation", 400, error("rejected by the safety system", "moderation_blocked"), Refused),
    ("16 money at 400", 400, error("Billing hard limit", "billing_hard_limit_reached"), NoFunds),
    ("16 money at 403", 403, error("x", "insufficient_user_quota"), NoFunds),
    ("16 money at 429", 429, error("x", "insufficient_quota"), NoFunds),
    ("17 client mistake as 500", 500, error("n > 128", "invalid_request", "new_api_error"), BadRequest),
    ("17 unknown model as 503", 503, error("No available channel", "model_not_found", "new_api_error"), ModelMissing),
    ("18 empty 429", 429, b"", Throttled),
    ("19 error event", 200, event({"error": {"message": "no", "code": "moderation_blocked"}}, "error"), Refused),
    ("19 partials only", 200, event({"b64_json": B64, "partial_image_index": 0}, "x.partial_image"), OutcomeUnknown),
    ("22 redirect", 302, b"", BadRequest),
    (
        "24 refused unknown parameter",
        400,
        error("Unknown parameter: 'seed'.", "unknown_parameter", param="seed"),
        BadRequest,
    ),
    ("26 retired model", 404, error("The model 'gpt-image-1' has been deprecated", "model_not_found"), ModelMissing),
]


@pytest.mark.parametrize(("trap", "status", "body", "expected"), ERRORS, ids=[row[0] for row in ERRORS])
async def test_an_error_is_what_it_is(trap: str, status: int, body: bytes, expected: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as caught:
        await outcome(status, body)
    assert type(caught.value) is expected, trap


async def test_trap_1_response_format_goes_only_where_a_profile_wants_it() -> None:
    for wanted in (None, "b64_json", "url"):
        host = Host(lambda _: httpx.Response(200, content=images_json(PNG)))
        profile = Profile(name="p", response_format=wanted)
        endpoint = endpoint_for(spec(profile=profile), "images", KEY, host.transport)
        await endpoint.post(request(), Flight())
        await endpoint.aclose()
        assert host.said.get("response_format") == wanted


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 524])
async def test_trap_5_nothing_is_sent_twice_unseen(status: int) -> None:
    seen = 0

    async def host(stream: ByteStream) -> None:
        nonlocal seen
        seen += 1
        await read_request(stream)
        await stream.send(http(f"{status} Oh", b"", "retry-after: 0", "x-should-retry: true", "connection: close"))

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        assert (await endpoint.post(request(), Flight())).status == status
    assert seen == 1


async def test_trap_5_a_closed_connection_is_not_asked_again_unseen() -> None:
    seen = 0

    async def host(stream: ByteStream) -> None:
        nonlocal seen
        seen += 1
        await read_request(stream)

    async with listening(host) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url), "images", KEY, connections=connections)
        with pytest.raises(OutcomeUnknown):
            await endpoint.post(request(), Flight())
    assert seen == 1


async def test_trap_6_padding_holds_the_line_but_not_for_ever() -> None:
    async def host(stream: ByteStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while True:
            await stream.send(b": PING\n\n")
            await anyio.sleep(0.02)

    async with listening(host) as base_url, Connections() as connections:
        bounds = Timeout(connect=1.0, total=0.4, idle=0.2)
        endpoint = endpoint_for(spec(base_url, timeout=bounds), "images", KEY, connections=connections)
        with pytest.raises(OutcomeUnknown, match=r"timeout\.total"):
            await endpoint.post(request(), Flight())


async def test_traps_7_and_8_names_and_types_of_uploads_are_explicit(tmp_path: Path) -> None:
    host = Host(lambda _: httpx.Response(200, content=images_json(PNG)))
    endpoint = endpoint_for(spec(), "images", KEY, host.transport)
    photo = prepared(tmp_path, name="photo.jpg")
    await endpoint.post(request(inputs=(photo,)), Flight())
    one = host.requests[-1].content
    await endpoint.post(request(inputs=(photo, prepared(tmp_path, PNG_2))), Flight())
    await endpoint.aclose()
    assert b'name="image"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n' in one
    assert b'name="image[]"' not in one
    assert host.requests[-1].content.count(b'name="image[]"') == 2
    assert b'name="image"' not in host.requests[-1].content


async def test_trap_18_a_wait_that_is_not_said_is_not_made_up() -> None:
    with pytest.raises(Throttled) as caught:
        await outcome(429, b"")
    assert caught.value.answered.retry_after is None


async def test_trap_20_a_gzip_answer_is_never_asked_for() -> None:
    host = Host(lambda _: httpx.Response(200, content=images_json(PNG)))
    endpoint = endpoint_for(spec(), "images", KEY, host.transport)
    await endpoint.post(request(), Flight())
    await endpoint.aclose()
    assert host.requests[-1].headers["accept-encoding"] == "identity"


async def test_trap_21_what_is_echoed_is_kept_as_said_and_no_more() -> None:
    body = json.dumps({"data": [{"b64_json": B64}], "size": "9x9", "quality": 7, "background": None}).encode()
    assert (await outcome(200, body)).resolved == {"size": "9x9", "quality": "7"}


async def test_trap_22_a_redirect_turns_no_post_into_a_get() -> None:
    host = Host(lambda _: httpx.Response(301, headers={"location": "https://www.host.test/v1/images/generations"}))
    endpoint, flight = endpoint_for(spec(), "images", KEY, host.transport), Flight()
    head = await endpoint.post(request(), flight)
    await endpoint.aclose()
    with pytest.raises(BadRequest, match="base_url"):
        endpoint.read(head, flight.body)
    assert [asked.method for asked in host.requests] == ["POST"]


async def test_trap_23_an_error_text_shows_no_key_no_signed_url_and_no_base64() -> None:
    secret = base64.b64encode(PNG * 3).decode()
    told = f"Incorrect API key provided: {KEY}; {KEY[:9]}*** see https://cdn.test/x.png?sig=topsecret {secret} \x1b[2J"
    with pytest.raises(ProviderError) as caught:
        await outcome(401, error(told, "invalid_api_key"))
    for text in (str(caught.value), caught.value.answered.message, repr(caught.value.answered)):
        assert KEY[:9] not in text
        assert "topsecret" not in text
        assert secret[:60] not in text
        assert "\x1b" not in text


async def test_trap_25_a_revised_prompt_is_kept_where_there_is_one() -> None:
    body = data({"b64_json": B64, "revised_prompt": "a cat on the moon"})
    assert (await outcome(200, body)).pictures[0].revised_prompt == "a cat on the moon"
