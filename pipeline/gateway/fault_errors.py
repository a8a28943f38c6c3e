"""Faults that answer with an error: genuine ones of OpenAI, and those of new-api and its relatives."""

from collections.abc import Mapping

from pipeline.gateway.errors import IMAGE_USER, Trouble
from pipeline.gateway.limits import retry_headers
from pipeline.gateway.misfortune import Misfortune, Page


def _error(about: str, trouble: Trouble, *, late: bool = False) -> Misfortune:
    return Misfortune(about=about, trouble=trouble, late=late)


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

ERRORS: Mapping[str, Misfortune] = {
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
            message="Your organization must be verified to use the model `gpt-image-2`. Go to the settings page.",
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
}
"""By name."""
