"""Faults of answers that are no error of the maker: pages, redirects, spoiled JSON, bad travels and streams."""

from collections.abc import Callable, Mapping

from pipeline.domain.digest import Json
from pipeline.gateway import spoiling
from pipeline.gateway.carriage import Carriage
from pipeline.gateway.fault_errors import ERRORS
from pipeline.gateway.misfortune import Misfortune, Page, proxy_page
from pipeline.gateway.order import Order


def _late_page(about: str, page: Page) -> Misfortune:
    """A page after the work was done, so that the pictures are billed."""
    return Misfortune(about=about, late=True, billed=True, page=page)


def _redrawn(about: str, redraw: Callable[[Order], Order]) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, redraw=redraw)


def _spoiled(about: str, spoil: Callable[[dict[str, Json]], Json]) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, spoil=spoil)


def _carried(about: str, carriage: Carriage) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, carriage=carriage)


_PROBLEM = Page(
    status=524,
    media_type="application/problem+json",
    body='{"type":"https://developers.cloudflare.com/support/troubleshooting/http-status-codes/","title":'
    '"Error 524: A timeout occurred","status":524,"detail":"The origin web server did not respond in time."}',
)

ANSWERS: Mapping[str, Misfortune] = {
    "unavailable": Misfortune(about="503 as a proxy's page", page=proxy_page(503, "Service Temporarily Unavailable")),
    "bad_gateway": _late_page("502 as a proxy's page, after the work", proxy_page(502, "Bad Gateway")),
    "gateway_timeout": _late_page("504 as a proxy's page, after the work", proxy_page(504, "Gateway Time-out")),
    "cloudflare_timeout": _late_page("524 as a page, after the work", proxy_page(524, "A timeout occurred")),
    "cloudflare_problem": _late_page("524 as problem JSON, after the work", _PROBLEM),
    # redirects
    "redirect_302": Misfortune(
        about="302, which turns a POST into a GET", page=Page(status=302, headers={"location": "?redirected=1"})
    ),
    "redirect_307": Misfortune(
        about="307 to the same place", page=Page(status=307, headers={"location": "?redirected=1"})
    ),
    # 200 and yet wrong
    "ok_error": Misfortune(about="200 with an error object and no data", late=True, spoil=spoiling.error_with_200),
    "padded_error": Misfortune(
        about="200, whitespace for a while, then an error", late=True, spoil=spoiling.error_with_200, carriage="pad"
    ),
    "ok_html": _late_page("200 with a page", Page(status=200, body=proxy_page(200, "Welcome").body)),
    "empty_data": _spoiled("200 with data []", spoiling.empty_data),
    "null_data": _spoiled("200 with data null", spoiling.null_data),
    "empty_fields": _spoiled("200 with items of empty strings", spoiling.empty_fields),
    "null_fields": _spoiled("200 with items of nulls", spoiling.null_fields),
    "blanks": _spoiled("good items beside empty fields", spoiling.blanks_beside),
    "no_created": _spoiled("without created", spoiling.no_created),
    "data_url": _spoiled("base64 with a data: prefix", spoiling.data_url),
    "urlsafe": _spoiled("base64 of the URL alphabet", spoiling.urlsafe),
    "unpadded": _spoiled("base64 without padding", spoiling.unpadded),
    "wrapped": _spoiled("base64 in lines", spoiling.wrapped),
    "broken_base64": _spoiled("base64 with wrong characters", spoiling.broken_base64),
    "broken_picture": _spoiled("half a picture", spoiling.broken_picture),
    "fewer": _redrawn("a picture less than asked", spoiling.fewer),
    "more": _redrawn("a picture more than asked", spoiling.more),
    "wrong_size": _redrawn("half the size asked", spoiling.wrong_size),
    "wrong_format": _redrawn("another format than asked", spoiling.wrong_format),
    "opaque": _redrawn("without the transparency asked", spoiling.opaque),
    # ways to travel
    "drop": _carried("the connection is reset before the head", "drop"),
    "truncated": _carried("the connection ends in the middle of the body", "cut"),
    "reset": _carried("the connection is reset in the middle of the body", "reset"),
    "stall": _carried("no answer, for ever", "stall"),
    "stall_body": _carried("half the body, then nothing, for ever", "stall_body"),
    "drip": _carried("the body in many small pieces", "drip"),
    "padding": _carried("whitespace for a while, then the answer", "pad"),
    # streams and chats
    "stream_error": Misfortune(
        about="an error event in the middle of a stream (a plain 500 without one)",
        late=True,
        stream="error",
        trouble=ERRORS["server_error"].trouble,
    ),
    "stream_cut": Misfortune(
        about="a stream that ends before its last event (a cut body without one)",
        late=True,
        billed=True,
        stream="cut",
        carriage="cut",
    ),
    "json_to_stream": Misfortune(about="plain JSON although a stream was asked", late=True, billed=True, stream="json"),
    "chat_filtered": Misfortune(
        about="a chat answer without picture, finish_reason content_filter (elsewhere: moderation)",
        late=True,
        chat="filtered",
        trouble=ERRORS["moderation_output"].trouble,
    ),
    "chat_no_picture": Misfortune(
        about="a chat answer of text alone (elsewhere: data [])",
        late=True,
        billed=True,
        chat="no_picture",
        spoil=spoiling.empty_data,
    ),
}
"""By name."""
