import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.domain.errors import ModelMissing, NoFunds, OutcomeUnknown, ProviderError, Refused, ServerFault
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Answer, Head, Picture, Usage
from pipeline.domain.secret import Secret
from pipeline.provider import salvage
from pipeline.provider.images import read_images
from pipeline.wire import decode_picture, events, parse
from tests.provider.hosts import B64, BIG, KEY, PNG, PNG_2, images_json

BIG64 = base64.b64encode(BIG).decode()
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L" + b"\0" * 14
USAGE: dict[str, Json] = {
    "total_tokens": 453,
    "input_tokens": 24,
    "output_tokens": 439,
    "input_tokens_details": {"text_tokens": 14, "image_tokens": 10},
    "output_tokens_details": {"image_tokens": 430, "text_tokens": 9},
}


def read(body: "bytes | Json", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = Head(status=200, headers={k.replace("_", "-"): v for k, v in headers.items()}, seconds=0.5)
    return read_images(head, raw, secrets=[Secret(KEY)])


def pictures(body: "bytes | Json", **headers: str) -> list[bytes]:
    return [picture.data for picture in read(body, **headers).pictures]


def item(**fields: Json) -> Json:
    return {"created": 1, "data": [fields]}


def sse(*parts: tuple[str, Json], comment: str = "", done: bool = True, end: str = "\n") -> bytes:
    lines = []
    for name, value in parts:
        lines += [f"event: {name}", f"data: {json.dumps(value)}", "", *([comment, ""] if comment else [])]
    return end.join([*lines, *(["data: [DONE]", "", ""] if done else [])]).encode()


COMPLETED: dict[str, Json] = {
    "type": "image_generation.completed",
    "b64_json": B64,
    "usage": USAGE,
    "size": "1024x1024",
}
PARTIAL: dict[str, Json] = {
    "type": "image_generation.partial_image",
    "b64_json": base64.b64encode(PNG_2).decode(),
    "partial_image_index": 0,
}


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


# streams


@pytest.mark.parametrize(
    "body",
    [
        sse(("image_generation.partial_image", PARTIAL), ("image_generation.completed", COMPLETED)),
        sse(("image_generation.completed", COMPLETED), done=False),
        sse(("image_generation.completed", COMPLETED), ("image_generation.partial_image", PARTIAL)),
        sse(("image_edit.partial_image", PARTIAL), ("wrong.name", COMPLETED), comment=": PING"),
        sse(("image_generation.completed", COMPLETED), end="\r\n"),
        sse(("image_generation.completed", COMPLETED), end="\r"),
        b"\n: PING\n\n: PING\n\n" + sse(("x", COMPLETED)),
        b"data: data: " + json.dumps(COMPLETED).encode() + b"\n\ndata: : PING\n\n",
        b"data:" + json.dumps(COMPLETED).encode(),
        b"data: " + json.dumps(PARTIAL).encode() + b"\ndata: " + json.dumps(COMPLETED).encode() + b"\n",
        b"event: image_edit.completed\ndata: " + json.dumps({"b64_json": B64}).encode() + b"\n\n",
        b"data: " + json.dumps({"b64_json": B64}).encode() + b"\n\ndata: [DONE]\n\n",
        b"id: 1\nretry: 5\ndata: " + json.dumps(COMPLETED, indent=1).replace("\n", "\ndata: ").encode() + b"\n\n",
        b"data: " + images_json(PNG) + b"\n\n",
        sse(
            ("a", {**COMPLETED, "index": 0, "b64_json": base64.b64encode(PNG_2).decode()}),
            ("a", {**COMPLETED, "index": 0}),
        ),
        sse(("a", COMPLETED), ("error", {"type": "error", "error": {"message": "late"}})),
    ],
)
def test_the_finished_picture_of_a_stream_is_read(body: bytes) -> None:
    assert pictures(body) == [PNG]
    assert pictures(body, content_type="application/json") == [PNG]


def test_several_pictures_of_a_stream_come_in_order_and_their_usage_is_summed() -> None:
    second = {**COMPLETED, "b64_json": base64.b64encode(PNG_2).decode()}
    found = read(sse(("a", PARTIAL), ("a", COMPLETED), ("a", second)))
    assert [picture.data for picture in found.pictures] == [PNG, PNG_2]
    assert found.usage == Usage(text_in=28, image_in=20, text_out=18, image_out=860)
    assert found.resolved == {"size": "1024x1024"}


def test_a_url_may_come_in_a_stream() -> None:
    url = "https://cdn.example/x.png"
    assert read(sse(("image_generation.completed", {"url": url}))).pictures == (Picture(url=url),)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (sse(("error", {"type": "error", "error": {"message": "no", "code": "moderation_blocked"}})), Refused),
        (sse(("a", PARTIAL), ("error", {"error": {"message": "no", "code": "moderation_blocked"}})), Refused),
        (sse(("a", PARTIAL), ("error", {"type": "server_error", "error": {"message": "sorry"}})), ServerFault),
        (sse(("a", PARTIAL)), OutcomeUnknown),
        (sse(("image_edit.partial_image", {"b64_json": B64})), OutcomeUnknown),
        (sse(("message", {"b64_json": B64, "partial_image_index": 1})), OutcomeUnknown),
        (b": PING\n\n: PING\n\n", OutcomeUnknown),
        (b"data: [DONE]\n\n", OutcomeUnknown),
        (sse(("a", {**COMPLETED, "b64_json": "!!"})), OutcomeUnknown),
    ],
)
def test_a_stream_without_a_finished_picture_is_told_by_what_it_says(body: bytes, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        read(body)


def test_a_stream_cut_at_every_byte_yields_whole_pictures_only() -> None:
    body = sse(("a", PARTIAL), ("a", COMPLETED), ("b", {**COMPLETED, "b64_json": base64.b64encode(PNG_2).decode()}))
    for end in range(len(body)):
        found = [picture.data for picture in salvage(body[:end])]
        assert found == [PNG, PNG_2][: len(found)]
        assert all(isinstance(event.value, dict) for event in events(body[:end]))


def test_the_request_id_is_read_from_the_header_of_the_profile() -> None:
    head = Head(status=400, headers={"x-trace": "t1", "x-request-id": "r1"}, seconds=0.0)
    with pytest.raises(ProviderError) as caught:
        read_images(head, b"{}", id_header="X-Trace")
    assert caught.value.answered.request_id == "t1"


# salvage


def test_json_cut_at_every_byte_yields_whole_pictures_only() -> None:
    body = images_json(PNG, PNG_2, BIG)
    ends = [body.index(base64.b64encode(data)) + len(base64.b64encode(data)) + 1 for data in (PNG, PNG_2, BIG)]
    for end in range(0, len(body), 3):
        expected = [data for data, at in zip((PNG, PNG_2, BIG), ends, strict=True) if end >= at]
        assert [picture.data for picture in salvage(body[:end])] == expected


def test_urls_and_chat_pictures_are_salvaged_too() -> None:
    url = b'{"data":[{"url":"https:\\/\\/cdn.example\\/x.png","revised_prompt":"cu'
    assert salvage(url) == (Picture(url="https://cdn.example/x.png"),)
    chat = (
        b'{"choices":[{"message":{"images":[{"image_url":{"url":"data:image/png;base64,' + B64.encode() + b'"}}],"con'
    )
    assert [picture.data for picture in salvage(chat)] == [PNG]
    markdown = b'{"choices":[{"message":{"content":"here ![image](data:image/png;base64,' + B64.encode() + b")\\n and"
    assert [picture.data for picture in salvage(markdown)] == [PNG]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\x00" * 50, b'{"b64_json":"' + B64.encode(), b'{"b64_json":"junk"}', b"data: {"]
)
def test_nothing_whole_means_nothing_salvaged(body: bytes) -> None:
    assert salvage(body) == ()


def test_other_formats_are_pictures_too_and_other_bytes_are_not() -> None:
    for data in (WEBP, b"\xff\xd8\xff\xe0" + b"\0" * 20, b"GIF89a" + b"\0" * 9):
        assert pictures(images_json(data)) == [data]
    for data in (b"<svg/>", b"%PDF-1.7", b"BM1234", b"II*\0", b"\0\0\0\x18ftypmp42"):
        with pytest.raises(OutcomeUnknown):
            read(images_json(data))
