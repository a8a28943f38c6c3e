"""The playground page: one file, no framework, nothing from elsewhere."""

import base64
import functools
import hashlib
import re
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response


@functools.cache
def _page() -> tuple[bytes, str]:
    """The page and its content security policy: only its own script and style, by their hashes. Reads a file once."""
    page = resources.files("pipeline.gateway").joinpath("playground.html").read_bytes()
    script, style = _hash_of(b"script", page), _hash_of(b"style", page)
    policy = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _hash_of(tag: bytes, page: bytes) -> str:
    found = re.search(rb"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
    assert found is not None
    return f"sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}"


async def playground(_request: Request) -> Response:
    """``GET /``."""
    page, policy = _page()
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        },
    )
