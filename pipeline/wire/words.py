"""The words by which hosts tell their errors: codes in lower case, and patterns of messages (English and Chinese).

Sources: OpenAI's documented errors, and the sources of new-api, one-api, OpenRouter and Google's compatible endpoint.
"""

import re


def words(text: str) -> frozenset[str]:
    """The words of *text* as a set."""
    return frozenset(text.split())


def pattern(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives, in whatever case."""
    return re.compile("|".join(alternatives), re.IGNORECASE)


DAILY = pattern(
    r"\bper[ -_]?day\b",
    r"PerDay",
    r"\b[RTI]PD\b",
    r"\bper 24 ?h",
    r"/ ?day\b",
    r"\bdaily\b.{0,40}\b(?:limit|quota|cap|allowance|maximum)",
    r"\b(?:limit|quota|allowance)\b.{0,40}\b(?:today|for the day)\b",
    r"(?:每日|每天|当日|今日).{0,12}(?:限|额|次)",
)
MODEL = pattern(
    r"\bmodels?\b.{0,160}?\b(?:does not exist|doesn't exist|do not exist|(?:was |is |be |were )?not found|not exist"
    r"|is not available|is unavailable|isn't available|has been (?:deprecated|retired|removed|shut ?down))\b",
    r"\bmodels? ['\"`]?[\w./:@-]+['\"`]? (?:is |are )?not supported\b",
    r"\b(?:unknown|invalid|no such|unsupported) model\b(?! parameter)",
    r"no available channel",
    r"无可用渠道",
    r"模型.{0,80}(?:不存在|未找到|不可用|已下线|未开通)",
    r"no endpoints found",
)
MODEL_RIGHTS = pattern(
    r"\b(?:access|permission|allowed|authorized|entitled|enabled|subscri\w+|use)\b.{0,80}\b(?:models?|group)\b",
    r"\b(?:models?|group)\b.{0,80}\b(?:access|permission|allowed|authorized|entitled|enabled)\b",
    r"\bverif(?:y|ied|ication)\b",
    r"(?:模型|分组)",
    MODEL.pattern,
)
MONEY = pattern(
    r"billing (?:hard )?limit",
    r"(?:check|update|set up|review) your (?:plan and )?billing",
    r"exceeded your current quota",
    r"\b(?:insufficient|not enough|no|run out of|out of|exhausted|low|negative)\b.{0,24}"
    r"\b(?:balance|credits?|funds?|quota|money)\b",
    r"\b(?:balance|credits?|funds|user quota|token quota)\b.{0,40}"
    r"\b(?:insufficient|not enough|exhausted|too low|used up|depleted|negative)\b",
    r"\bspend(?:ing)? limit\b",
    r"\bpayment (?:is )?required\b",
    r"\btop[ -]?up\b",
    r"requires more credits",
    r"(?:余额|额度|配额|点数|积分).{0,16}(?:不足|用尽|用完|耗尽)",
    r"(?:欠费|请充值)",
)
KEY = pattern(
    r"\b(?:api[ _-]?key|your key|this key|token|credentials?)\b",
    r"\b(?:invalid|expired|revoked|disabled|wrong) key\b",
    r"\bkey\b.{0,40}\b(?:invalid|expired|revoked|disabled|wrong|suspended|blocked|deleted)\b",
    r"\b(?:account|user|organi[sz]ation)\b.{0,60}\b(?:deactivated|disabled|suspended|banned|blocked|terminated)\b",
    r"\bIP\b.{0,60}\b(?:allow|list|block|authori[sz]ed|permitted)",
    r"\bmissing scopes?\b",
    r"\binsufficient permissions\b",
    r"(?:令牌|密钥|用户已被封禁|账号已被)",
)
BAD_KEY = pattern(
    r"\b(?:incorrect|invalid|expired) api[ _-]?key\b",
    r"\bapi[ _-]?key (?:is )?(?:not valid|invalid|incorrect|expired|not found)\b",
    r"\binvalid token\b",
    r"无效的令牌|令牌(?:已过期|已禁用|无效)",
)
CONTENT = pattern(
    r"\bsafety system\b",
    r"\bcontent[ _-]?(?:management )?polic(?:y|ies)\b",
    r"\busage polic(?:y|ies)\b",
    r"\bsafety_violations\b",
    r"\b(?:rejected|blocked|filtered|flagged|refused|stopped|caught)\b.{0,60}\b(?:moderation|safety|filters?)\b",
    r"\b(?:input|prompt|output|image|content|request)s? (?:was|were|has been|is|are) (?:flagged|blocked)\b",
    r"\b(?:prompt|input|content|image)\b.{0,40}\bviolat\w+",
    r"\bsensitive words?\b",
    r"\bprohibited content\b",
    r"\bPROHIBITED_CONTENT\b|\bIMAGE_SAFETY\b",
    r"敏感词|违规|内容安全|审核(?:未|不)通过|安全系统",
)
TIMED_OUT = pattern(
    r"\btimed?[ -]?out\b", r"\btimeout\b", r"\bdeadline exceeded\b", r"\bstatus[ _]?code:?\s*(?:504|52[0-4])\b", r"超时"
)
BROKEN_BEHIND = pattern(
    r"\bAPIConnectionError\b",
    r"\bconnection (?:was )?(?:error|reset|closed|aborted|broken|lost)\b",
    r"\bserver disconnected\b|\bpeer closed connection\b",
    r"\bsocket hang up\b",
    r"\bunexpected EOF\b",
    r"\bpayload is not completed\b|\bContentLengthError\b",
    r"\bincomplete (?:read|message|body|response|chunked)\b",
    r"\b(?:closed|ended|end|close) premature(?:ly)?\b|\bpremature(?:ly)? (?:close|closed|end|ended)\b",
    r"\bbroken pipe\b",
    r"<!doctype html|<html\b",
    r"连接(?:被重置|中断|断开)",
)
LOADED = pattern(
    r"\brate limit",
    r"\btoo many requests\b",
    r"\boverloaded\b",
    r"\bat capacity\b",
    r"请求过于频繁|负载已饱和|稍后(?:再|重)试",
)
ASKED_WRONG = pattern(
    r"\binvalid (?:value|request|parameter|image|size|type)\b",
    r"\b(?:unknown|unsupported|missing required) parameter\b",
)

REFUSED = words(
    "moderation_blocked content_policy_violation content_filter content_filtered content_blocked"
    " safety_violation safety_violations sensitive_words_detected prompt_blocked prompt_flagged"
    " responsibleaipolicyviolation image_safety prohibited_content moderation_failed moderation_error"
    " input_moderation output_moderation content_moderation policy_violation nsfw_content"
    " usage_policy_violation violation_fee_charged"
)
NO_FUNDS = words(
    "billing_hard_limit_reached insufficient_quota credit_balance_exhausted"
    " organization_spend_limit_exceeded project_spend_limit_exceeded organization_usage_limit_exceeded"
    " insufficient_user_quota pre_consume_token_quota_failed insufficient_balance insufficient_credits"
    " insufficient_funds insufficient_credit billing_not_active payment_required token_quota_exhausted"
    " token_quota_not_enough user_quota_not_enough quota_not_enough account_overdue arrearage"
    " balance_not_enough not_enough_balance out_of_credits billing_limit_reached"
)
QUOTA_GONE = words(
    "daily_quota_exceeded daily_limit_exceeded daily_limit_reached daily_quota_exhausted"
    " requests_per_day_exceeded images_per_day_exceeded rate_limit_exceeded_daily per_day_limit_exceeded"
)
KEY_REFUSED = words(
    "invalid_api_key incorrect_api_key api_key_invalid invalid_token token_expired expired_api_key"
    " api_key_expired invalid_authentication unauthenticated account_deactivated account_disabled"
    " account_suspended key_disabled key_revoked api_key_disabled access_terminated ip_not_authorized"
    " ip_not_allowed missing_scope missing_api_key unsupported_country_region_territory"
    " access_token_invalid user_banned"
)
MODEL_MISSING = words(
    "model_not_found model_not_available model_not_supported unsupported_model model_unavailable"
    " no_available_channel deploymentnotfound deployment_not_found model_deprecated model_retired"
    " invalid_model channel_not_found get_channel_failed model_price_error must_be_verified"
    " organization_verification_required organization_must_be_verified unverified_organization"
    " model_access_denied group_not_allowed"
)
THROTTLED = words(
    "rate_limit_exceeded slow_down server_is_overloaded system_cpu_overloaded system_memory_overloaded"
    " system_disk_overloaded engine_overloaded overloaded_error overloaded too_many_requests"
    " resource_exhausted concurrency_limit_exceeded rate_limit_error rate_limited"
)
BAD_REQUEST = words(
    "unknown_parameter unsupported_parameter missing_required_parameter invalid_value invalid_type"
    " invalid_request convert_request_failed invalid_image_file invalid_image invalid_image_format"
    " unsupported_file_mimetype invalid_input_fidelity_model invalid_png_output_compression"
    " read_request_body_failed api_not_implemented duplicate_parameter string_above_max_length"
    " string_too_long array_above_max_length array_below_min_length integer_above_max_value"
    " integer_below_min_value unsupported_value invalid_size invalid_argument bad_request_body"
    " invalid_base64 image_too_large image_parse_error invalid_api_type json_marshal_failed"
    " context_length_exceeded payload_too_large unsupported_media_type"
)
