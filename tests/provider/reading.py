"""Reading a scripted answer of the Images protocol."""

import base64
import json

from pipeline.domain.digest import Json
from pipeline.domain.request import Answer, Head
from pipeline.domain.secret import Secret
from pipeline.provider.images import read_images
from tests.provider.hosts import B64, BIG, KEY, PNG_2

BIG64 = base64.b64encode(BIG).decode()
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
