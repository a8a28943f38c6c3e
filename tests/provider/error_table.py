"""What hosts answer instead of a picture, and what each answer is."""

from pipeline.domain.digest import Json
from pipeline.domain.errors import (
    BadRequest,
    KeyRefused,
    ModelMissing,
    NoFunds,
    OutcomeUnknown,
    ProviderError,
    QuotaGone,
    Refused,
    ServerFault,
    Throttled,
)

CLOUDFLARE = (
    b'{"type":"https://host.example/errors","title":"Error 524: A timeout occurred",'
    b'"status":524,"detail":"The origin was slow."}'
)
PAGE = b"<!DOCTYPE html><html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>"


def maker(message: str, code: str | None = None, kind: str = "", param: str | None = None) -> dict[str, Json]:
    return {"message": message, "type": kind, "param": param, "code": code}


def litellm(kind: str, message: str) -> dict[str, Json]:
    return maker(f"litellm.{kind}: OpenAIException - {message}\n\nLiteLLM: model group 'x' failed.", "500")


TABLE: list[tuple[str, int, bytes | dict[str, Json], type[ProviderError]]] = [
    # OpenAI's own
    (
        "safety",
        400,
        maker("Rejected by the safety system.", "moderation_blocked", "image_generation_user_error"),
        Refused,
    ),
    ("policy", 400, maker("no", "content_policy_violation", "invalid_request_error"), Refused),
    ("unknown parameter", 400, maker("Unknown parameter: 'response_format'.", "unknown_parameter"), BadRequest),
    ("no prompt", 400, maker("Missing required parameter: 'prompt'.", "missing_required_parameter"), BadRequest),
    ("two bare images", 400, maker("Duplicate parameter: 'image'. … use 'image[]=<value>'."), BadRequest),
    ("broken image", 400, maker("Invalid image file or mode for image 1", "invalid_image_file"), BadRequest),
    ("octet-stream", 400, maker("unsupported", "unsupported_file_mimetype"), BadRequest),
    ("edge", 400, maker("longest edge must be <= 3840", "invalid_value", "image_generation_user_error"), BadRequest),
    (
        "fidelity",
        400,
        maker(
            "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.", "invalid_input_fidelity_model"
        ),
        BadRequest,
    ),
    (
        "fidelity, no code",
        400,
        maker("The model 'gpt-image-2' does not support the 'input_fidelity' parameter."),
        BadRequest,
    ),
    ("compression", 400, maker("png", "invalid_png_output_compression", "image_generation_user_error"), BadRequest),
    ("hard limit", 400, maker("Billing hard limit has been reached.", "billing_hard_limit_reached"), NoFunds),
    ("key", 401, maker("Incorrect API key provided: sk-abc", "invalid_api_key", "invalid_request_error"), KeyRefused),
    ("verify", 403, maker("Your organization must be verified to use the model `gpt-image-2`."), ModelMissing),
    ("model 404", 404, maker("The model 'X' does not exist", "model_not_found"), ModelMissing),
    ("model 400", 400, maker("The model 'gpt-image-1.5' does not exist", "invalid_value"), ModelMissing),
    (
        "rate",
        429,
        maker("Rate limit reached for images per min. Please try again in 12s.", "rate_limit_exceeded"),
        Throttled,
    ),
    ("slow down", 429, maker("ramping", "slow_down", "rate_limit_error"), Throttled),
    (
        "quota",
        429,
        maker(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        NoFunds,
    ),
    ("quota by type", 429, maker("x", None, "insufficient_quota"), NoFunds),
    (
        "quota by words",
        429,
        maker("You exceeded your current quota, please check your plan and billing details."),
        NoFunds,
    ),
    ("credits", 429, maker("x", "credit_balance_exhausted"), NoFunds),
    ("spend", 429, maker("x", "project_spend_limit_exceeded"), NoFunds),
    (
        "per day",
        429,
        maker("Rate limit reached on requests per day (RPD): Limit 200.", "rate_limit_exceeded"),
        QuotaGone,
    ),
    ("daily, words", 429, maker("You have reached your daily image limit.", None, "new_api_error"), QuotaGone),
    ("today", 429, maker("The quota of this key is used up for today"), QuotaGone),
    ("a day", 429, maker("200 images/day", "rate_limit_exceeded"), QuotaGone),
    ("daily", 429, maker("Daily image quota used up", "daily_quota_exceeded"), QuotaGone),
    ("server", 500, maker("The server had an error", "server_error", "server_error"), ServerFault),
    ("server, null code", 500, maker("The server had an error", None, "server_error"), ServerFault),
    ("overloaded", 503, maker("busy", "server_is_overloaded", "service_unavailable_error"), Throttled),
    # new-api, one-api and their resellers
    (
        "no channel",
        503,
        maker("No available channel for model X under group Y (distributor)", "model_not_found"),
        ModelMissing,
    ),
    (
        "no channel, Chinese",
        503,
        maker("分组 Y 下模型 X 无可用渠道\uff08distributor\uff09", "", "new_api_error"),
        ModelMissing,
    ),
    ("no channel, one-api", 503, maker("当前分组 Y 下对于模型 X 无可用渠道", kind="one_api_error"), ModelMissing),
    ("client mistake as 500", 500, maker("n > 128", "invalid_request", "new_api_error"), BadRequest),
    ("conversion as 500", 500, maker("no image", "convert_request_failed", "new_api_error"), BadRequest),
    ("money 403", 403, maker("用户额度不足", "insufficient_user_quota"), NoFunds),
    ("money 403, words", 403, maker("token quota is not enough, please top up", ""), NoFunds),
    ("pre-consume", 403, maker("x", "pre_consume_token_quota_failed"), NoFunds),
    ("money 402", 402, b"", NoFunds),
    ("group", 403, maker("该令牌无权访问模型 gpt-image-2", ""), ModelMissing),
    ("group, English", 403, maker("This token has no access to group vip", ""), ModelMissing),
    ("ip", 403, maker("您的 IP 不在令牌允许访问的列表中", ""), KeyRefused),
    ("disabled key", 403, maker("The API key has been disabled"), KeyRefused),
    ("token", 401, maker("无效的令牌", ""), KeyRefused),
    ("cpu", 503, maker("cpu", "system_cpu_overloaded"), Throttled),
    ("empty 429", 429, b"", Throttled),
    ("saturated", 429, maker("当前分组上游负载已饱和\uff0c请稍后再试", kind="one_api_error"), Throttled),
    ("too large", 413, maker("x", "read_request_body_failed"), BadRequest),
    ("not implemented", 501, maker("x", "api_not_implemented"), BadRequest),
    ("sensitive", 500, maker("x", "sensitive_words_detected"), Refused),
    ("upstream", 502, maker("Upstream service temporarily unavailable", "", "upstream_error"), ServerFault),
    # LiteLLM's proxy, which tells in its own JSON what it met behind it
    ("line broken behind", 500, litellm("APIConnectionError: APIConnectionError", "Connection error."), OutcomeUnknown),
    ("page behind", 502, litellm("BadGatewayError: BadGatewayError", PAGE.decode()), OutcomeUnknown),
    (
        "cut behind",
        500,
        litellm("InternalServerError", "Response payload is not completed: <ContentLengthError: 400, …>."),
        OutcomeUnknown,
    ),
    ("page instead of JSON behind", 500, litellm("APIConnectionError", "'str' object has no …"), OutcomeUnknown),
    ("timeout behind", 408, litellm("Timeout", "Error code: 524 - {'title': …}"), OutcomeUnknown),
    ("proxy", 502, maker("Proxy to upstream failed: aborted", None, "proxy_error"), OutcomeUnknown),
    ("fault behind", 500, litellm("InternalServerError", "The server had an error."), ServerFault),
    ("money behind", 429, litellm("RateLimitError", "Your credit balance is exhausted."), NoFunds),
    ("rate behind", 429, litellm("RateLimitError", "Rate limit reached on input-images per min"), Throttled),
    ("safety behind", 400, litellm("BadRequestError", "Your request was rejected by the safety system."), Refused),
    (
        "reset behind",
        500,
        maker("Post https://***: read: connection reset by peer", "do_request_failed"),
        OutcomeUnknown,
    ),
    ("upstream timed out", 504, maker("upstream request timed out", "do_request_failed"), OutcomeUnknown),
    ("upstream 524", 500, maker("bad response status code 524", "bad_response_status_code"), OutcomeUnknown),
    ("renamed type", 500, maker("mode", None, "packy_image_generation_user_error"), BadRequest),
    # OpenRouter and Google
    ("openrouter money", 402, {"code": 402, "message": "This request requires more credits"}, NoFunds),
    (
        "openrouter flagged",
        403,
        {
            "code": 403,
            "message": "Your chosen model requires moderation and your input was flagged",
            "metadata": {"reasons": ["violence"]},
        },
        Refused,
    ),
    (
        "openrouter wrapped",
        400,
        {
            "code": 400,
            "message": "Provider returned error",
            "metadata": {"raw": '{"error":{"message":"blocked","code":"moderation_blocked"}}'},
        },
        Refused,
    ),
    (
        "google key",
        400,
        {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."},
        KeyRefused,
    ),
    (
        "google argument",
        400,
        {"code": 400, "status": "INVALID_ARGUMENT", "message": "Invalid aspect ratio"},
        BadRequest,
    ),
    ("google rate", 429, {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Resource exhausted"}, Throttled),
    (
        "google day",
        429,
        {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded for GenerateRequestsPerDay"},
        QuotaGone,
    ),
    ("google 503", 503, {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}, Throttled),
    # by status alone
    ("503 page", 503, PAGE, Throttled),
    ("503 nothing", 503, b"", Throttled),
    ("429 page", 429, PAGE, Throttled),
    ("502 page", 502, PAGE, OutcomeUnknown),
    ("500 page", 500, PAGE, OutcomeUnknown),
    ("500 nothing", 500, b"", OutcomeUnknown),
    ("500 error as text", 500, b'{"error":"Internal Server Error"}', OutcomeUnknown),
    ("500 error without message", 500, {"message": ""}, OutcomeUnknown),
    ("500 cut", 500, b'{"error":{"mess', OutcomeUnknown),
    ("524 problem", 524, CLOUDFLARE, OutcomeUnknown),
    ("520 page", 520, PAGE, OutcomeUnknown),
    ("408", 408, maker("Request Timeout"), OutcomeUnknown),
    ("401 page", 401, PAGE, KeyRefused),
    ("403 page", 403, PAGE, BadRequest),
    ("404 page", 404, PAGE, BadRequest),
    ("409", 409, maker("conflict"), BadRequest),
    ("422", 422, b'{"detail":[{"msg":"field required"}]}', BadRequest),
    ("301", 301, b"", BadRequest),
    ("307", 307, b"", BadRequest),
    # a 2xx that says it is an error
    ("200 moderation", 200, maker("x", "moderation_blocked"), Refused),
    ("200 money", 200, maker("insufficient balance"), NoFunds),
    ("200 rate", 200, maker("slow", "rate_limit_exceeded"), Throttled),
    ("200 with a status", 200, {"message": "upstream", "code": 502}, ServerFault),
    ("200 with 429", 200, {"message": "later", "code": "429"}, Throttled),
    ("200 server", 200, maker("oops", "server_error"), ServerFault),
    ("200 server, overloaded", 200, maker("The server is overloaded.", None, "server_error"), ServerFault),
    ("200 overloaded", 200, maker("The server is overloaded."), Throttled),
    ("200 asked wrong", 200, maker("Invalid size", None, "invalid_request_error"), BadRequest),
    ("200 model", 200, maker("model nope not found"), ModelMissing),
]
