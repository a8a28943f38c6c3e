"""Digests and the canonical JSON they are taken over."""

import hashlib
import json
from typing import Final, NewType, TypeAlias

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

Digest = NewType("Digest", str)
"""Lower-case hexadecimal SHA-256 (64 characters) of some bytes."""

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
"""Any JSON value."""


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """The SHA-256 of *data*; checkable with ``sha256sum``."""
    return Digest(hashlib.sha256(data).hexdigest())


def canonical_json(value: object) -> bytes:
    """The one UTF-8 spelling of a JSON value: sorted keys, no spaces, no ASCII escapes, no NaN.

    Raises ValueError for NaN and infinities, TypeError for what is not JSON.
    """
    return _CANONICAL.encode(value).encode("utf-8", "surrogatepass")
