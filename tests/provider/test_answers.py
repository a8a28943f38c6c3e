import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.domain.errors import ModelMissing, NoFunds, OutcomeUnknown, ProviderError, Refused, ServerFault
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Head, Picture, Usage
from pipeline.provider.images import read_images
from pipeline.wire import decode_picture, parse
from tests.provider.hosts import B64, BIG, KEY, PNG, PNG_2, images_json
from tests.provider.reading import BIG64, USAGE, item, pictures, read

WEBP = b"RIFF\x1a\0\0\0WEBPVP8L" + b"\0" * 14


@pytest.mark.parametrize(
    "text",
    [
        BIG64,
        BIG64.rstrip("="),
        BIG64.replace("+", "-").replace("/", "_"),
        BIG64.replace("+", "-").replace("/", "_").rstrip("="),
        "data:image/png;base64," + BIG64,
        "DATA:image/png;base64," + BIG64.rstrip("="),
        "data:;base64," + BIG64,
        "\n " + "\r\n".join(BIG64[i : i + 76] for i in range(0, len(BIG64), 76)) + "\n",
        BIG64.replace("/", "\\/"),
    ],
)
@pytest.mark.parametrize("long", [True, False])
def test_base64_is_read_in_every_spelling(text: str, long: bool) -> None:
    # A JSON string written by hand, since some hosts escape slashes and the cut-out must bear both.
    raw = '{"data":[{"b64_json":"' + text.replace("\n", "\\n").replace("\r", "\\r") + '"}]}'
    assert pictures((raw if long else raw.replace('":"', '" : "')).encode()) == [BIG]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 40))
def test_any_bytes_come_back_from_any_spelling(
    data: bytes, safe: bool, padded: bool, prefixed: bool, width: int
) -> None:
    text = (base64.urlsafe_b64encode if safe else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    text = text if width < 4 else "\n".join(text[i : i + width] for i in range(0, len(text), width))
    assert decode_picture(("data:image/png;base64," if prefixed else "") + text) == data


@pytest.mark.parametrize(
    "text", ["****", B64[:40] + "!" + B64[40:], B64[:40] + "!!!!" + B64[40:], B64[:41], "a", "\u00e9\u00e9\u00e9\u00e9"]
)
def test_junk_in_base64_is_never_skipped_over(text: str) -> None:
    data = decode_picture(text)
    assert data is None or data != PNG


@pytest.mark.parametrize("start", [b"", b"\n\n\n   \r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/event-stream", ""])
def test_json_is_read_whatever_its_content_type_and_what_stands_before_it(start: bytes, kind: str) -> None:
    assert pictures(start + images_json(PNG), content_type=kind) == [PNG]


def test_a_body_in_another_encoding_is_read_too() -> None:
    assert pictures(images_json(PNG).decode().encode("utf-16")) == [PNG]


@pytest.mark.parametrize(
    "body",
    [
        item(b64_json=B64, url=""),
        item(b64_json=B64, url="https://cdn.example/x.png"),
        item(b64_json="", url="data:image/png;base64," + B64),
        item(b64_json=None, url="data:image/png;base64," + B64),
        item(b64_json=7, image_url={"url": "data:image/png;base64," + B64}),
        {"data": {"b64_json": B64}},
        {"data": [B64]},
        {"images": [{"b64_json": B64}]},
        {"error": None, "data": [{"b64_json": B64}]},
        {"error": {"message": "one of two failed"}, "data": [{"b64_json": B64}, {"b64_json": ""}]},
        {"data": [{"b64_json": "junk!"}, {"b64_json": B64}, {}, None, 5]},
    ],
)
def test_a_picture_is_found_in_every_shape_of_an_item(body: Json) -> None:
    assert pictures(body) == [PNG]


@pytest.mark.parametrize("url", ["https://cdn.example/x.png?sig=1", "http://127.0.0.1:9/x.png"])
@pytest.mark.parametrize("empty", [{}, {"b64_json": ""}, {"b64_json": None}, {"b64_json": "!"}])
def test_a_url_result_says_where_to_fetch_it(url: str, empty: dict[str, Json]) -> None:
    assert read(item(url=url, **empty)).pictures == (Picture(url=url),)


def test_pictures_keep_their_order_and_a_repeated_one_counts_once() -> None:
    assert pictures(images_json(PNG, PNG_2, BIG, PNG)) == [PNG, PNG_2, BIG]


def test_what_the_host_tells_besides_is_kept() -> None:
    body = json.dumps(
        {
            "data": [{"b64_json": B64, "revised_prompt": "a \x1b[31mcat\u202e and " + KEY}],
            "size": "1024x1024",
            "quality": "high",
            "background": "opaque",
            "output_format": "png",
            "usage": USAGE,
        }
    ).encode()
    found = read(body, x_request_id="req_1", x_pipeline_sketch="1")
    assert found.usage == Usage(text_in=14, image_in=10, text_out=9, image_out=430)
    assert found.request_id == "req_1"
    assert found.sketch
    assert found.resolved == {"size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png"}
    assert found.pictures[0].revised_prompt == "a cat and [key]"


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (None, None),
        ({}, None),
        ({"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}, None),
        ("junk", None),
        ({"input_tokens": 5, "output_tokens": 9}, Usage(text_in=5, image_out=9)),
        ({"prompt_tokens": 5, "completion_tokens": 9}, Usage(text_in=5, image_out=9)),
        ({"input_tokens": -5, "output_tokens": True}, None),
        ({"input_tokens": 5, "output_tokens": 9.0, "cost": 0.04}, Usage(text_in=5, image_out=9, cost=MicroUsd(40_000))),
        ({"cost": -1, "output_tokens": 1}, Usage(image_out=1)),
        ({"cost": "free", "output_tokens": 1}, Usage(image_out=1)),
        (
            {"input_tokens": 9, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 4, "image_tokens": 2}},
            Usage(text_in=7, image_in=2, cached_in=4, image_out=1),
        ),
    ],
)
def test_usage_is_believed_only_where_it_counts_something(said: Json, usage: Usage | None) -> None:
    assert read({"data": [{"b64_json": B64}], "usage": said}).usage == usage


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty body"),
        (b"   \n\n ", "empty body"),
        (b"<!doctype html><html><title>Log in</title>", "Log in"),
        (b"{}", "no picture"),
        (b'{"data":null}', "no picture"),
        (b'{"data":[]}', "no picture"),
        (b'{"data":{}}', "no picture"),
        (b"[]", "no picture"),
        (b"null", "no picture"),
        (b'{"task_id":"t1","status":"queued"}', "no picture"),
        (b'{"data":[{}]}', "1 results"),
        (b'{"data":[{"b64_json":"","url":""}]}', "1 results"),
        (b'{"data":[{"b64_json":"PGh0bWw+"}]}', "1 results"),
        (b'{"data":[{"url":"file:///etc/passwd"}]}', "1 results"),
        (images_json(BIG)[:-1], "cut short"),
        (images_json(BIG)[:200], "cut short"),
        (b"\x89PNG\r\n", "no JSON"),
        (b"[" * 100_000, "cut short"),
        (b'{"a":' + b"9" * 5000, "cut short"),
    ],
)
def test_a_200_without_a_usable_picture_is_of_unknown_outcome(body: bytes, words: str) -> None:
    with pytest.raises(OutcomeUnknown, match=words) as caught:
        read(body, x_request_id="req_9")
    assert caught.value.answered.status == 200
    assert caught.value.answered.request_id == "req_9"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "no", "code": "moderation_blocked"}, Refused),
        ({"message": "no", "code": "insufficient_user_quota"}, NoFunds),
        ({"message": "no", "code": "model_not_found"}, ModelMissing),
        ({"message": "sorry"}, ServerFault),
    ],
)
@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": []}, {"data": [{"b64_json": ""}]}])
def test_a_200_with_an_error_is_that_error(error: Json, expected: type[ProviderError], data: dict[str, Json]) -> None:
    with pytest.raises(expected):
        read(b"\n\n" + json.dumps({"error": error, **data}).encode())


def test_numbers_without_end_nan_and_broken_letters_lose_no_picture() -> None:
    raw = '{"created": NaN, "seed": ' + "9" * 5000 + ', "data": [{"b64_json": "' + B64 + '", "x": "\\ud800\ufffd"}]}'
    assert pictures(raw.encode().replace("\ufffd".encode(), b"\xff\xfe")) == [PNG]


def test_a_hostile_mark_in_a_string_is_only_a_string() -> None:
    value = parse(b'{"b64_json":"' + BIG64.encode() + b'","x":"\\u0000picture:99","y":"\\u0000picture:-1"}')
    assert isinstance(value, dict)
    assert (value["x"], value["y"]) == ("\x00picture:99", "\x00picture:-1")


def test_the_request_id_is_read_from_the_header_of_the_profile() -> None:
    head = Head(status=400, headers={"x-trace": "t1", "x-request-id": "r1"}, seconds=0.0)
    with pytest.raises(ProviderError) as caught:
        read_images(head, b"{}", id_header="X-Trace")
    assert caught.value.answered.request_id == "t1"


def test_other_formats_are_pictures_too_and_other_bytes_are_not() -> None:
    for data in (WEBP, b"\xff\xd8\xff\xe0" + b"\0" * 20, b"GIF89a" + b"\0" * 9):
        assert pictures(images_json(data)) == [data]
    for data in (b"<svg/>", b"%PDF-1.7", b"BM1234", b"II*\0", b"\0\0\0\x18ftypmp42"):
        with pytest.raises(OutcomeUnknown):
            read(images_json(data))
