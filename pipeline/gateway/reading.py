"""Bodies of requests: JSON and multipart into raw fields, held in memory and bounded.

The multipart parser is driven directly: Starlette's form would spool parts through a thread, which neither
virtual time nor a thousand tiny edits a minute can afford.
"""

import base64
import binascii
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from pipeline.domain.digest import Digest, Json, digest_of
from pipeline.gateway.errors import ApiError, Trouble, bad

_MOST_PARTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file of a request. name: of its part (``image``, ``image[]``, ``mask``)."""

    name: str
    filename: str
    media_type: str
    data: bytes = field(repr=False)
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A body as it came. values: JSON values, or strings when *form*; the last of a repeated name counts."""

    values: Mapping[str, Json]
    uploads: tuple[Upload, ...] = ()
    form: bool = False


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, unpacked when it is gzip. Raises ApiError (413 over *limit* bytes, 400 when broken)."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:19]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect as error:
        raise bad("The request ended before its body did.") from error
    if request.headers.get("content-encoding", "identity").lower() == "gzip":
        return _unpack(bytes(body), limit)
    return bytes(body)


def _unpack(body: bytes, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            plain = packed.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise bad("The request body is not whole gzip.") from error
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> ApiError:
    return ApiError(
        Trouble(
            status=413,
            message=f"Maximum content size limit ({limit} bytes) exceeded.",
            code="read_request_body_failed",
        )
    )


def fields_of(body: bytes, content_type: str) -> Fields:
    """The fields of a JSON, multipart or (without files) urlencoded body. Raises ApiError (400)."""
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise bad("The multipart body has no boundary.")
        return _FormReader(boundary).read(body)
    if kind == b"application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{"):
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return Fields(values=dict(pairs[:_MOST_PARTS]), form=True)
    return Fields(values=json_object(body))


def json_object(body: bytes) -> Mapping[str, Json]:
    """The object a JSON body holds. Raises ApiError (400)."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad("We could not parse the JSON body of your request. (The body must be one JSON object.)") from error
    if not isinstance(value, dict):
        raise bad("We could not parse the JSON body of your request. (The body must be one JSON object.)")
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


class _FormReader:
    """Collects the parts of one multipart body."""

    def __init__(self, boundary: bytes) -> None:
        self._values: dict[str, Json] = {}
        self._uploads: list[Upload] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._data = bytearray()
        self._parts = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part,
                "on_end": self._on_end,
            },
        )

    def read(self, body: bytes) -> Fields:
        """All parts of the body. Raises ApiError (400)."""
        try:
            self._parser.write(body)
            self._parser.finalize()
        except FormParserError as error:
            raise bad(f"We could not parse the multipart body of your request. ({error})") from error
        if not self._ended:
            raise bad("The multipart body ends before its last boundary.")
        return Fields(values=self._values, uploads=tuple(self._uploads), form=True)

    def _begin(self) -> None:
        self._headers = {}
        self._data = bytearray()
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise bad(f"The multipart body has more than {_MOST_PARTS} parts.")

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _on_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            self._values[name] = self._data.decode("utf-8", "replace")
            return
        media_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        self._uploads.append(
            Upload(
                name=name,
                filename=options[b"filename"].decode("utf-8", "replace"),
                media_type=media_type.partition(";")[0].strip().lower(),
                data=bytes(self._data),
                digest=digest_of(self._data),
            )
        )

    def _on_end(self) -> None:
        self._ended = True


def upload_of_url(url: str, name: str) -> Upload:
    """The file a ``data:`` URL holds. Raises ApiError (400) for any other URL: the gateway fetches nothing."""
    head, comma, text = url.partition(",")
    if not head.lower().startswith("data:") or not comma:
        raise bad("Only data: URLs are read here; nothing is fetched.", param=name, code="invalid_value")
    media_type = Message()
    media_type["content-type"] = head[5:].removesuffix(";base64") or "text/plain"
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("The data: URL is not base64.", param=name, code="invalid_base64") from error
    return Upload(
        name=name,
        filename="upload",
        media_type=media_type.get_content_type(),
        data=data,
        digest=digest_of(data),
    )
