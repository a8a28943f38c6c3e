"""The endpoint's JSON both ways: errors by the one table, event streams, base64, and texts made fit for people.

Reading (the provider): `error_of(head, body, seconds)` -> ProviderError; `parse(body)` -> Json; `events(body)` -> SSE;
`picture_of(text)` -> bytes; `redact(text)`, `plain(text, limit)`. Answering (the gateway): ``GENUINE[BadRequest]`` is a
genuine status, type, code and message, its `as_json()` the body; `classify` is the table itself.
"""

from pipeline.wire.bodies import Base64Text, is_html, list_at, object_at, parse, text_at
from pipeline.wire.errors import error_of, request_id, says_error
from pipeline.wire.pictures import decode_picture, is_picture, picture_of
from pipeline.wire.redact import plain, redact
from pipeline.wire.sse import ServerEvent, events, is_stream
from pipeline.wire.table import GENUINE, Genuine, classify
from pipeline.wire.waits import retry_after

__all__ = [
    "GENUINE",
    "Base64Text",
    "Genuine",
    "ServerEvent",
    "classify",
    "decode_picture",
    "error_of",
    "events",
    "is_html",
    "is_picture",
    "is_stream",
    "list_at",
    "object_at",
    "parse",
    "picture_of",
    "plain",
    "redact",
    "request_id",
    "retry_after",
    "says_error",
    "text_at",
]
