import base64
import json

import pytest

from pipeline.domain.errors import OutcomeUnknown, ProviderError, Refused, ServerFault
from pipeline.domain.request import Picture, Usage
from pipeline.provider import salvage
from pipeline.wire import events
from tests.provider.hosts import B64, BIG, PNG, PNG_2, images_json
from tests.provider.reading import COMPLETED, PARTIAL, pictures, read, sse


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
