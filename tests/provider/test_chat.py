import base64
import json

import pytest

from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest, NoFunds, OutcomeUnknown, ProviderError, Refused, ServerFault, Throttled
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Answer, Head, Picture, Usage
from pipeline.domain.secret import Secret
from pipeline.provider.chat_answers import read_chat
from tests.provider.hosts import B64, BIG, KEY, PNG, PNG_2, images_json

URL = "data:image/png;base64," + B64
BIG64 = base64.b64encode(BIG).decode()
HOSTED = "https://cdn.example/a/b.png?sig=1&x=2"


def read(body: "bytes | Json", status: int = 200) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_chat(Head(status=status, headers={"x-request-id": "r"}, seconds=0.5), raw, secrets=[Secret(KEY)])


def reply(message: Json, finish: str = "stop", **more: Json) -> Json:
    return {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def chunks(*deltas: Json, finish: str = "stop", **last: Json) -> bytes:
    pieces: list[Json] = [{"choices": [{"delta": delta}]} for delta in deltas]
    pieces += [{"choices": [{"delta": {}, "finish_reason": finish}]}, {"choices": [], **last}]
    return (
        b": OPENROUTER PROCESSING\n\n"
        + b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)
        + b"data: [DONE]\n\n"
    )


SHAPES: list[tuple[str, Json, Picture, str]] = [
    (
        "a: images",
        {"content": "Here you are", "images": [{"type": "image_url", "index": 0, "image_url": {"url": URL}}]},
        Picture(data=PNG),
        "Here you are",
    ),
    ("a: no content", {"content": None, "images": [{"image_url": {"url": URL}}]}, Picture(data=PNG), ""),
    ("a: url as text", {"content": "", "images": [{"image_url": URL}]}, Picture(data=PNG), ""),
    ("a: base64", {"content": "", "images": [{"b64_json": B64}]}, Picture(data=PNG), ""),
    ("a: hosted", {"content": "", "images": [{"image_url": {"url": HOSTED}}]}, Picture(url=HOSTED), ""),
    (
        "d: parts",
        {"content": [{"type": "text", "text": "Here"}, {"type": "image_url", "image_url": {"url": URL}}]},
        Picture(data=PNG),
        "Here",
    ),
    ("d: inline data", {"content": [{"inline_data": {"mime_type": "image/png", "data": B64}}]}, Picture(data=PNG), ""),
    ("b: markdown", {"content": f"![image]({URL})"}, Picture(data=PNG), ""),
    ("b: markdown in words", {"content": f"Here:\n![image]({URL})\nDone."}, Picture(data=PNG), "Here: Done."),
    ("b: link", {"content": f"[media]({URL})"}, Picture(data=PNG), ""),
    ("b: bare data URL", {"content": f"see {URL}"}, Picture(data=PNG), "see"),
    ("c: hosted markdown", {"content": f"![x]({HOSTED})"}, Picture(url=HOSTED), ""),
    ("c: hosted, titled", {"content": f'![x]({HOSTED} "a cat")'}, Picture(url=HOSTED), ""),
    ("c: bare hosted", {"content": f"Your image: {HOSTED}."}, Picture(url=HOSTED), "Your image:"),
    ("e: base64 alone", {"content": BIG64}, Picture(data=BIG), ""),
    ("e: base64 in lines", {"content": "\n".join([BIG64[:76], BIG64[76:]])}, Picture(data=BIG), ""),
    ("e: single image", {"content": "", "image": {"url": URL}}, Picture(data=PNG), ""),
    ("e: single image as text", {"content": "", "image": URL}, Picture(data=PNG), ""),
]


@pytest.mark.parametrize(("name", "message", "picture", "text"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_the_picture_is_found_in_every_shape_of_an_answer(
    name: str, message: Json, picture: Picture, text: str
) -> None:
    found = read(reply(message))
    assert found.pictures == (picture,), name
    assert found.text == text
    assert found.request_id == "r"


@pytest.mark.parametrize(("name", "message", "picture", "text"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_the_picture_is_found_in_a_stream_too(name: str, message: Json, picture: Picture, text: str) -> None:
    assert isinstance(message, dict)
    found = read(chunks({"role": "assistant", "content": ""}, message))
    assert found.pictures == (picture,), name


def test_words_and_pictures_split_over_a_stream_are_put_together() -> None:
    text = f"Here ![image]({URL}) it is"
    pieces: list[Json] = [{"content": text[i : i + 7]} for i in range(0, len(text), 7)]
    found = read(chunks(*pieces, usage={"prompt_tokens": 3, "completion_tokens": 8}))
    assert found.pictures == (Picture(data=PNG),)
    assert found.usage == Usage(text_in=3, image_out=8)


def test_a_picture_repeated_in_a_stream_counts_once() -> None:
    image: Json = {"images": [{"index": 0, "image_url": {"url": URL}}]}
    assert read(chunks(image, image)).pictures == (Picture(data=PNG),)


def test_the_structured_shape_is_trusted_before_the_words() -> None:
    other = "data:image/png;base64," + base64.b64encode(PNG_2).decode()
    message: Json = {"content": f"![a]({other})", "images": [{"image_url": {"url": URL}}]}
    assert read(reply(message)).pictures == (Picture(data=PNG),)


def test_an_answer_in_the_shape_of_the_images_protocol_is_not_lost() -> None:
    assert read(images_json(PNG)).pictures == (Picture(data=PNG),)


def test_what_it_cost_is_read() -> None:
    usage: Json = {
        "prompt_tokens": 12,
        "completion_tokens": 1300,
        "completion_tokens_details": {"image_tokens": 1290},
        "cost": 0.0387,
    }
    found = read(reply({"images": [{"image_url": {"url": URL}}]}, usage=usage))
    assert found.usage == Usage(text_in=12, text_out=10, image_out=1290, cost=MicroUsd(38_700))


@pytest.mark.parametrize(
    "body",
    [
        reply({"content": ""}, "content_filter"),
        reply({"content": None}, "SAFETY"),
        reply({"content": ""}, "IMAGE_SAFETY"),
        reply({"content": "", "refusal": "I cannot draw that"}),
        {
            "choices": [
                {"message": {"content": ""}, "finish_reason": "stop", "native_finish_reason": "PROHIBITED_CONTENT"}
            ]
        },
        {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        chunks({"content": "I "}, {"content": "cannot"}, finish="content_filter"),
    ],
)
def test_an_answer_that_stopped_for_the_content_is_a_refusal(body: "bytes | Json") -> None:
    with pytest.raises(Refused) as caught:
        read(body)
    assert caught.value.answered.stage == "output"
    assert caught.value.answered.request_id == "r"


@pytest.mark.parametrize(
    "body",
    [
        reply({"content": "I would rather talk about cats \x1b[31m."}),
        reply({"content": ""}, "length"),
        {"choices": []},
        {},
        [],
        chunks({"content": "words"}),
        b"",
        b"<html><title>Welcome</title></html>",
        reply({"content": "data:image/png;base64,AAAA"}),
        reply({"images": [{"image_url": {"url": "file:///etc/passwd"}}]}),
        json.dumps(reply({"content": URL})).encode()[:-30],
    ],
)
def test_words_without_a_picture_may_be_billed(body: "bytes | Json") -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        read(body)
    assert "perhaps billed" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_what_a_model_said_instead_of_a_picture_is_shown() -> None:
    with pytest.raises(OutcomeUnknown, match="no image in the reply: I would rather not"):
        read(reply({"content": "I would rather not"}))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"error": {"message": "credits", "code": 402}}, 402, NoFunds),
        ({"error": {"message": "slow down", "code": 429}}, 200, Throttled),
        (
            {"choices": [{"error": {"code": 502, "message": "Provider died"}, "finish_reason": "error"}]},
            200,
            ServerFault,
        ),
        (b'data: {"error":{"message":"no","code":"moderation_blocked"},"choices":[]}\n\n', 200, Refused),
        ({"error": {"message": "bad aspect ratio", "code": 400}}, 400, BadRequest),
    ],
)
def test_errors_are_told_by_the_one_table(body: "bytes | Json", status: int, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        read(body, status)
