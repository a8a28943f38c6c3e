"""Every fault by name: what it answers, whether it comes late, and whether the pictures are billed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.domain.digest import Json
from pipeline.gateway import spoiling
from pipeline.gateway.carriage import Carriage
from pipeline.gateway.errors import IMAGE_USER, Trouble
from pipeline.gateway.limits import retry_headers
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


def _error(about: str, trouble: Trouble, *, late: bool = False) -> Misfortune:
    return Misfortune(about=about, trouble=trouble, late=late)


def proxy_page(status: int, title: str) -> Page:
    """The page a proxy answers with when it gave up waiting."""
    body = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1>"
        "</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Page(status=status, body=body)


def _late_page(about: str, page: Page) -> Misfortune:
    """A page after the work was done, so that the pictures are billed."""
    return Misfortune(about=about, late=True, billed=True, page=page)


def _redrawn(about: str, redraw: Callable[[Order], Order]) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, redraw=redraw)


def _spoiled(about: str, spoil: Callable[[dict[str, Json]], Json]) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, spoil=spoil)


def _carried(about: str, carriage: Carriage) -> Misfortune:
    return Misfortune(about=about, late=True, billed=True, carriage=carriage)


def _rejected(stage: str) -> Trouble:
    return Trouble(
        status=400,
        type=IMAGE_USER,
        code="moderation_blocked",
        message=(
            "Your request was rejected by the safety system. If you believe this is an error, contact us at "
            "help.openai.com and include the request ID req_sketch. safety_violations=[violence]."
        ),
        details={"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}},
    )


def _rate(wait: str, headers: Mapping[str, str]) -> Trouble:
    return Trouble(
        status=429,
        type="input-images",
        code="rate_limit_exceeded",
        message=f"Rate limit reached for gpt-image-2 on input-images per min: Limit 5, Used 5, Requested 1.{wait}",
        headers=headers,
    )


def _relay(status: int, code: str, message: str) -> Trouble:
    return Trouble(status=status, type="new_api_error", code=code, message=message)


def _quota(code: str, message: str) -> Trouble:
    return Trouble(status=429, type="insufficient_quota", code=code, message=message)


_LONG = 3600.0
_OVERLOADED = Trouble(
    status=503,
    type="service_unavailable_error",
    code="server_is_overloaded",
    message="The server is overloaded. Please try again later.",
)
_SERVER_ERROR = Trouble(
    status=500,
    type="server_error",
    message="The server had an error while processing your request. Sorry about that!",
)
_PROBLEM = Page(
    status=524,
    media_type="application/problem+json",
    body='{"type":"https://developers.cloudflare.com/support/troubleshooting/http-status-codes/","title":'
    '"Error 524: A timeout occurred","status":524,"detail":"The origin web server did not respond in time."}',
)

MISFORTUNES: Mapping[str, Misfortune] = {
    # 4xx: nothing was made
    "moderation": _error("400 moderation_blocked at the input stage", _rejected("input")),
    "moderation_output": _error("400 moderation_blocked after the full wait", _rejected("output"), late=True),
    "content_policy": _error(
        "400 content_policy_violation, the older spelling",
        Trouble(
            status=400,
            code="content_policy_violation",
            message="Your request was rejected as a result of our safety system.",
        ),
    ),
    "invalid_image_file": _error(
        "400 invalid_image_file",
        Trouble(
            status=400,
            type=IMAGE_USER,
            code="invalid_image_file",
            param="image",
            message="Invalid image file or mode for image 1, please check your image file.",
        ),
    ),
    "billing_limit": _error(
        "400 billing_hard_limit_reached",
        Trouble(
            status=400,
            type="billing_limit_user_error",
            code="billing_hard_limit_reached",
            message="Billing hard limit has been reached.",
        ),
    ),
    "invalid_api_key": _error(
        "401 invalid_api_key",
        Trouble(status=401, code="invalid_api_key", message="Incorrect API key provided: sk-...wxyz."),
    ),
    "no_quota": _error(
        "403 insufficient_user_quota, money as new-api says it",
        _relay(403, "insufficient_user_quota", "user quota is not enough, remaining quota: $0.000000"),
    ),
    "pre_consume": _error(
        "403 pre_consume_token_quota_failed, the token's own money",
        _relay(403, "pre_consume_token_quota_failed", "token quota is not enough, token remain quota: $0.000000"),
    ),
    "unverified": _error(
        "403 the organization must be verified",
        Trouble(
            status=403,
            message="Your organization must be verified to use the model `gpt-image-2`. Please go to the settings page.",
        ),
    ),
    "model_not_allowed": _error(
        "403 the token may not use this model", _relay(403, "", "This token has no access to model gpt-image-2")
    ),
    "model_not_found": _error(
        "404 model_not_found",
        Trouble(status=404, param="model", code="model_not_found", message="The model 'gpt-image-2' does not exist."),
    ),
    "request_timeout": _error(
        "408 the server gave up waiting", Trouble(status=408, type="server_error", message="Request timed out.")
    ),
    "conflict": _error(
        "409 conflict", Trouble(status=409, message="The request conflicts with another one. Please try again.")
    ),
    "too_large": _error(
        "413 read_request_body_failed", _relay(413, "read_request_body_failed", "http: request body too large")
    ),
    "unprocessable": _error("422", Trouble(status=422, message="The request could not be processed.")),
    "should_retry": _error(
        "409 with x-should-retry: true",
        Trouble(status=409, message="Please try again.", headers={"x-should-retry": "true"}),
    ),
    # 429
    "rate_limit": _error(
        "429 rate_limit_exceeded with retry-after and retry-after-ms",
        _rate(" Please try again in 1s.", retry_headers(1.0)),
    ),
    "rate_limit_text": _error("429 that says how long in its text alone", _rate(" Please try again in 1s.", {})),
    "rate_limit_date": _error("429 with retry-after as an HTTP date", _rate("", {"retry-after": "date"})),
    "rate_limit_bare": _error("429 without any word of when", _rate("", {})),
    "rate_limit_long": _error(
        "429 with retry-after of an hour", _rate(" Please try again in 1h0m0s.", retry_headers(_LONG))
    ),
    "rate_limit_empty": Misfortune(
        about="429 with an empty body", page=Page(status=429, media_type="text/plain; charset=utf-8")
    ),
    "slow_down": _error(
        "429 slow_down, ramping too fast",
        Trouble(
            status=429, type="rate_limit_error", code="slow_down", message="Slow down.", headers=retry_headers(1.0)
        ),
    ),
    "insufficient_quota": _error(
        "429 insufficient_quota: money, not rate",
        _quota("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    ),
    "credit_balance": _error(
        "429 credit_balance_exhausted: money, not rate",
        _quota("credit_balance_exhausted", "Your credit balance is exhausted."),
    ),
    "spend_limit": _error(
        "429 project_spend_limit_exceeded: money, not rate",
        _quota("project_spend_limit_exceeded", "This project has reached its spend limit."),
    ),
    # 5xx
    "server_error": _error("500 server_error as the maker's JSON", _SERVER_ERROR),
    "server_error_late": _error("500 server_error after the full wait", _SERVER_ERROR, late=True),
    "should_not_retry": _error(
        "500 with x-should-retry: false",
        Trouble(
            status=500,
            type="server_error",
            message=_SERVER_ERROR.message,
            headers={"x-should-retry": "false"},
        ),
    ),
    "client_error": _error(
        "500 convert_request_failed: a mistake of the client, as new-api says it",
        _relay(500, "convert_request_failed", "size is invalid"),
    ),
    "overloaded": _error("503 server_is_overloaded", _OVERLOADED),
    "cpu_overloaded": _error(
        "503 system_cpu_overloaded", _relay(503, "system_cpu_overloaded", "system cpu overloaded")
    ),
    "no_channel": _error(
        "503 model_not_found, no channel for the model",
        _relay(503, "model_not_found", "No available channel for model gpt-image-2 under group default (distributor)"),
    ),
    "upstream_error": _error(
        "502 upstream_error as JSON",
        Trouble(status=502, type="upstream_error", code="upstream_error", message="Upstream service unavailable"),
    ),
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
        trouble=_SERVER_ERROR,
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
        trouble=_rejected("output"),
    ),
    "chat_no_picture": Misfortune(
        about="a chat answer of text alone (elsewhere: data [])",
        late=True,
        billed=True,
        chat="no_picture",
        spoil=spoiling.empty_data,
    ),
}

ALIASES: Mapping[str, str] = {
    "400": "content_policy",
    "401": "invalid_api_key",
    "403": "no_quota",
    "404": "model_not_found",
    "408": "request_timeout",
    "409": "conflict",
    "413": "too_large",
    "422": "unprocessable",
    "429": "rate_limit",
    "500": "server_error",
    "502": "bad_gateway",
    "503": "overloaded",
    "504": "gateway_timeout",
    "524": "cloudflare_timeout",
    "302": "redirect_302",
    "307": "redirect_307",
    "refused": "moderation",
    "disconnect": "drop",
    "truncate": "truncated",
    "html": "ok_html",
    "timeout": "stall",
}
"""Other spellings: statuses and the words people try first."""


def misfortune_of(name: str) -> Misfortune | None:
    """The fault of that name or alias; None when there is none."""
    plain = name.strip().lower().replace("-", "_")
    return MISFORTUNES.get(ALIASES.get(plain, plain))
