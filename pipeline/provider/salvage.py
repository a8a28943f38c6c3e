"""Whole pictures out of an answer that was cut: they are paid for."""

import re

from pipeline.domain.request import Picture
from pipeline.provider.answers import picture_at, picture_from
from pipeline.provider.images import completed_items
from pipeline.wire import is_stream, picture_of

_BASE64 = re.compile(rb'"b64_json"\s*:\s*"([^"]*)"')
_LINK = re.compile(rb'"url"\s*:\s*"((?:https?:|data:)[^"]*)"')
_MARKDOWN = re.compile(rb"\]\((data:image/[^)]*)\)")


def salvage(body: bytes) -> tuple[Picture, ...]:
    """The pictures that are whole in *body*, in order, wherever it was cut; never a partial one of a stream. Pure.

    A string counts only with its closing quote, so that what the cut went through is left out.
    """
    if is_stream(body):
        found = [picture_from(value, ()) for _, value in completed_items(body)]
    else:
        found = [_picture(match) for match in _found(body)]
    return tuple(dict.fromkeys(picture for picture in found if picture))


def _found(body: bytes) -> list[re.Match[bytes]]:
    matches = [match for pattern in (_BASE64, _LINK, _MARKDOWN) for match in pattern.finditer(body)]
    return sorted(matches, key=lambda match: match.start())


def _picture(match: re.Match[bytes]) -> Picture | None:
    text = match[1].decode("ascii", "replace").replace("\\/", "/").replace("\\n", "").replace("\\r", "")
    if match.re is not _BASE64:
        return picture_at(text)
    data = picture_of(text)
    return Picture(data=data) if data else None
