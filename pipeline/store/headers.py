"""Which headers of an answer may be written down, and how its head is read back."""

import json
import math
from typing import Final

from pipeline.domain.request import Head

_KEPT: Final = frozenset({
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "date",
    "retry-after",
    "retry-after-ms",
    "server",
    "via",
    "cf-ray",
    "cf-cache-status",
    "openai-model",
    "openai-version",
    "openai-processing-ms",
    "x-should-retry",
    "x-cache",
    "x-pipeline-sketch",
    "traceparent",
})  # fmt: skip
_KEPT_STARTS: Final = ("x-ratelimit-", "ratelimit", "x-envoy-upstream-")
_KEPT_ENDS: Final = ("request-id", "requestid", "trace-id", "generation-id")
"""An allow-list, never a deny-list: cookies and whatever may hold a secret stay out by not being named."""

_LONGEST_VALUE: Final = 512
_MOST_HEADERS: Final = 100
_LARGEST_HEAD: Final = 128 * 1024


def kept(head: Head, also: frozenset[str] = frozenset()) -> Head:
    """The head less every header that is not on the allow-list; values cut to 512 characters.

    also: further names in lower case, such as a profile's own request id header.
    """
    headers = {
        name: value[:_LONGEST_VALUE]
        for name, value in head.headers.items()
        if name in _KEPT or name in also or name.startswith(_KEPT_STARTS) or name.endswith(_KEPT_ENDS)
    }
    return Head(status=head.status, headers=dict(list(headers.items())[:_MOST_HEADERS]), seconds=head.seconds)


def to_bytes(head: Head) -> bytes:
    """One line of ASCII JSON."""
    return json.dumps({"status": head.status, "seconds": head.seconds, "headers": dict(head.headers)}).encode()


def from_bytes(data: bytes) -> Head | None:
    """The head that `to_bytes` wrote; None for anything else (torn by a power cut, tampered with)."""
    if len(data) > _LARGEST_HEAD:
        return None
    try:
        match json.loads(data):
            case {"status": int(status), "seconds": int() | float() as seconds, "headers": dict(headers)}:
                pass
            case _:
                return None
    except (ValueError, RecursionError):
        return None
    legal = all(isinstance(value, str) for value in headers.values()) and math.isfinite(seconds) and 0 <= status < 1000
    return Head(status=status, headers=headers, seconds=float(seconds)) if legal else None
