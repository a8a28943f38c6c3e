"""What a fault does: what it answers, whether it comes late, and whether the pictures are billed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.domain.digest import Json
from pipeline.gateway.carriage import Carriage
from pipeline.gateway.errors import Trouble
from pipeline.gateway.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer that is not the maker's: a proxy's page, a redirect, an empty body."""

    status: int
    body: str = ""
    media_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfortune:
    """What one fault does.

    about: one line for people. late: after the usual latency, when the work is done. billed: the pictures are
    paid for all the same. The rest says what becomes of the answer: an error, a page, other pictures (redraw),
    another JSON (spoil), another way to travel, another stream, or another chat answer.
    """

    about: str
    late: bool = False
    billed: bool = False
    trouble: Trouble | None = None
    page: Page | None = None
    redraw: Callable[[Order], Order] | None = None
    spoil: Callable[[dict[str, Json]], Json] | None = None
    carriage: Carriage = "whole"
    stream: Literal["", "error", "cut", "json"] = ""
    chat: Literal["", "filtered", "no_picture"] = ""


def proxy_page(status: int, title: str) -> Page:
    """The page a proxy answers with when it gave up waiting."""
    body = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1>"
        "</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Page(status=status, body=body)
