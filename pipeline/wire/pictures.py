"""Pictures as JSON carries them: base64 in every spelling hosts use, and data URLs."""

import binascii
import re

import pybase64

from pipeline.wire.bodies import Base64Text

_DATA_PREFIX = re.compile(rb"\s*data:[\w.+/-]*(?:;[\w.=+-]+)*,", re.IGNORECASE)
_SPACE = b" \t\r\n\f\v"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def decode_picture(text: str) -> bytes | None:
    """The bytes of a base64 string or data URL; None when it is none.

    Strict first, which is also the fast way; then once more without prefix, white space and URL-safe letters and
    with the padding put back. Junk is never skipped over: a picture with holes is no picture.
    """
    raw = text.raw if isinstance(text, Base64Text) else text.encode("utf-8", "replace")
    try:
        return pybase64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        return _loosely(bytes(raw))


def _loosely(raw: bytes) -> bytes | None:
    prefix = _DATA_PREFIX.match(raw[:200])
    bare = raw[prefix.end() :] if prefix else raw
    bare = bare.translate(_URL_SAFE, _SPACE).rstrip(b"=")
    try:
        return pybase64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_picture(data: bytes) -> bool:
    """Whether *data* begins like a PNG, JPEG, WebP or GIF."""
    return data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def picture_of(text: str) -> bytes | None:
    """The picture a base64 string or data URL holds; None when what it holds is no picture."""
    data = decode_picture(text)
    return data if data is not None and is_picture(data) else None
