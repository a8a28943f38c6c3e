"""Hostile answers, each by the word that asks for it, with what must become of it."""

import base64
import gzip
import json
import struct
import zlib
from io import BytesIO

from PIL import Image

from tests.acceptance.desk import SECRET
from tests.acceptance.hosts import Asked, Behaviour, Reply, Shop, fault, picture, sells


def _webp(text: str) -> bytes:
    kept = BytesIO()
    Image.new("RGB", (64, 64), (len(text) % 250, 9, 99)).save(kept, "WEBP")
    return kept.getvalue()


def _bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few hundred bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def _inside(text: str) -> str:
    return base64.b64encode(picture(text)).decode()


def _item(**item: object) -> Reply:
    return Reply(body=json.dumps({"data": [item]}).encode())


def _by_url(shop: Shop, asked: Asked) -> Reply:
    path = f"/files/{len(shop.pages)}.png"
    shop.pages[path] = lambda got: Reply(body=picture(asked.prompt), kind="image/png")
    return sells(shop.url + path)


def _elsewhere(shop: Shop, asked: Asked) -> Reply:
    """A url at another loopback origin: nobody's business."""
    return sells(shop.url.replace("127.0.0.1", "127.0.0.2") + "/files/x.png")


def _twice(status: int, **error: object) -> Behaviour:
    """Fails at the first request, sells at the next."""

    def behave(shop: Shop, asked: Asked) -> Reply:
        return fault(status, **error) if shop.times(asked.word) < 2 else sells(picture(asked.prompt))

    return behave


HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad <script>alert(1)</script></h1></body></html>"

DONE: dict[str, Behaviour] = {
    "plain": lambda shop, asked: sells(picture(asked.prompt)),
    "prefixed": lambda shop, asked: _item(b64_json="data:image/png;base64," + _inside(asked.prompt)),
    "unpadded": lambda shop, asked: _item(b64_json=_inside(asked.prompt).rstrip("=")),
    "urlsafe": lambda shop, asked: _item(b64_json=_inside(asked.prompt).replace("+", "-").replace("/", "_")),
    "wrapped": lambda shop, asked: _item(b64_json="\n".join([_inside(asked.prompt)[:40], _inside(asked.prompt)[40:]])),
    "blank-lines": lambda shop, asked: Reply(body=b"\n\n  \r\n\n" + sells(picture(asked.prompt)).body),
    "wrong-type": lambda shop, asked: Reply(body=sells(picture(asked.prompt)).body, kind="text/html"),
    "by-url": _by_url,
    "data-url": lambda shop, asked: _item(b64_json="", url="data:image/png;base64," + _inside(asked.prompt)),
    "null-b64": lambda shop, asked: _item(b64_json=None, url=json.loads(_by_url(shop, asked).body)["data"][0]["url"]),
    "webp-for-png": lambda shop, asked: sells(_webp(asked.prompt)),
    "other-size": lambda shop, asked: sells(picture(asked.prompt, width=80)),
    "too-many": lambda shop, asked: sells(picture(asked.prompt), picture(asked.prompt + "x")),
    "revised": lambda shop, asked: Reply(
        body=json.dumps(
            {"data": [{"b64_json": _inside(asked.prompt), "revised_prompt": "<img src=x onerror=alert(7)>\x1b[31mred"}]}
        ).encode()
    ),
    "busy-once": _twice(429, message="Rate limit reached", type="rate_limit_error", code="rate_limit_exceeded"),
    "empty-429-once": lambda shop, asked: (
        Reply(status=429) if shop.times(asked.word) < 2 else sells(picture(asked.prompt))
    ),
    "503-once": lambda shop, asked: (
        Reply(status=503, body=HTML, kind="text/html") if shop.times(asked.word) < 2 else sells(picture(asked.prompt))
    ),
    "makers-500-once": _twice(500, message="The server had an error", type="server_error", code=None),
    "gzip": lambda shop, asked: Reply(
        body=gzip.compress(sells(picture(asked.prompt)).body), headers={"content-encoding": "gzip"}
    ),
    "sse": lambda shop, asked: Reply(
        body=b": PING\n\ndata: data: "
        + json.dumps({"type": "image_generation.completed", "b64_json": _inside(asked.prompt)}).encode()
        + b"\n\n",
        kind="text/event-stream",
    ),
}
"""Oddities that must still end in a picture."""

UNKNOWN: dict[str, Behaviour] = {
    "cut": lambda shop, asked: Reply(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{"data":[{"b64'),
    "dropped": lambda shop, asked: Reply(raw=b""),
    "html-200": lambda shop, asked: Reply(body=HTML, kind="text/html"),
    "empty-200": lambda shop, asked: Reply(body=b""),
    "no-data": lambda shop, asked: Reply(body=b'{"created":1,"data":[]}'),
    "null-data": lambda shop, asked: Reply(body=b'{"created":1,"data":null}'),
    "empty-item": lambda shop, asked: _item(b64_json="", url=""),
    "cut-png": lambda shop, asked: sells(picture(asked.prompt)[:-20]),
    "not-a-picture": lambda shop, asked: sells(b"this is no picture at all, only text"),
    "svg": lambda shop, asked: sells(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    "bomb": lambda shop, asked: sells(_bomb()),
    "bad-b64": lambda shop, asked: _item(b64_json="%%%not base64%%%"),
    "502": lambda shop, asked: Reply(status=502, body=HTML, kind="text/html"),
    "504": lambda shop, asked: Reply(status=504, body=HTML, kind="text/html"),
    "524": lambda shop, asked: Reply(status=524, body=b"error code: 524", kind="text/plain"),
    "408": lambda shop, asked: Reply(status=408, body=b"", kind="text/plain"),
    "page-500": lambda shop, asked: Reply(status=500, body=HTML, kind="text/html"),
    "elsewhere": _elsewhere,
    "gone-url": lambda shop, asked: sells(shop.url + "/nothing-here.png"),
    "not-http": lambda shop, asked: Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
}
"""Answers after which the money may be gone: held, never asked again."""

REFUSED: dict[str, Behaviour] = {
    "moderated": lambda shop, asked: fault(
        400,
        message=f"Rejected by the safety system. key {SECRET} \x1b[2J<b>bold</b>",
        type="image_generation_user_error",
        code="moderation_blocked",
        moderation_details={"moderation_stage": "output", "categories": ["violence"]},
    ),
    "refused-200": lambda shop, asked: Reply(
        body=json.dumps({"error": {"message": "blocked", "code": "content_policy_violation"}}).encode()
    ),
}

FAILED: dict[str, Behaviour] = {
    "bad-request": lambda shop, asked: fault(
        400, message="Invalid value", type="invalid_request_error", code="invalid_value"
    ),
    "dressed-500": lambda shop, asked: fault(
        500, message="convert failed", type="new_api_error", code="convert_request_failed"
    ),
    "error-200": lambda shop, asked: Reply(
        body=b"\n\n" + json.dumps({"error": {"message": "bad size", "type": "invalid_request_error"}}).encode()
    ),
    "no-such-model": lambda shop, asked: fault(
        503, message="No available channel for model x", code="model_not_found", type="new_api_error"
    ),
    "404": lambda shop, asked: Reply(status=404, body=b"not found", kind="text/plain"),
    "413": lambda shop, asked: Reply(status=413, body=HTML, kind="text/html"),
    "redirected": lambda shop, asked: Reply(status=302, headers={"location": shop.url + "/v1/images/generations"}),
    "redirected-kept": lambda shop, asked: Reply(status=307, headers={"location": shop.url + "/v1/images/generations"}),
}
"""Surely nothing bought: final, and asked once."""

STUBBORN: dict[str, Behaviour] = {
    "makers-500": lambda shop, asked: fault(500, message="The server had an error", type="server_error"),
}
"""May pass: asked as often as `retry.attempts` says, then failed."""
