"""The one table of errors: what an answer says -> what it means here, and back for a server that plays the host.

Read in order: rows by code, then by type, then by status, then by message (contract, "How answers are told"); what no
row knows is sorted by its status alone. Sources of the rows: OpenAI's documented errors, and the sources of new-api,
one-api and OpenRouter, whose dialects differ in status (money is 400, 402, 403 or 429) and rename types, so that
codes come first and types match by their end.

A missing model (503 ``model_not_found``, "no available channel") is final for this run: a typo and a host whose
channels are all down read the same, and the next run asks again by itself.
"""

import re
from dataclasses import dataclass

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
from pipeline.wire.words import (
    ASKED_WRONG,
    BAD_KEY,
    BAD_REQUEST,
    BROKEN_BEHIND,
    CONTENT,
    DAILY,
    KEY,
    KEY_REFUSED,
    LOADED,
    MODEL,
    MODEL_MISSING,
    MODEL_RIGHTS,
    MONEY,
    NO_FUNDS,
    QUOTA_GONE,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    pattern,
    words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: matches when everything it names matches; error: what it then is."""

    error: type[ProviderError]
    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    message: re.Pattern[str] | None = None

    def matches(self, status: int, code: str, kind: str, message: str) -> bool:
        """Whether an error of this *status*, *code*, type (*kind*) and *message* is meant."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.types or any(kind == known or kind.endswith("_" + known) for known in self.types))
            and (self.message is None or self.message.search(message) is not None)
        )


_TIMEOUT_STATUSES = frozenset(range(500, 600)) - {503}
_MONEY_STATUSES = frozenset({200, 400, 402, 403, 429, 500})
_CONTENT_STATUSES = frozenset({200, 400, 403, 422, 451, 500, 502})

_OURS = frozenset({"server_error", "internal_error", "internal_server_error", "api_error"})

ROWS: tuple[Row, ...] = (
    # by code
    Row(error=Refused, codes=REFUSED),
    Row(error=NoFunds, codes=NO_FUNDS),
    Row(error=QuotaGone, codes=QUOTA_GONE),
    Row(error=QuotaGone, codes=THROTTLED, message=DAILY),
    Row(error=KeyRefused, codes=KEY_REFUSED),
    Row(error=ModelMissing, codes=MODEL_MISSING),
    Row(error=Throttled, codes=THROTTLED),
    Row(error=KeyRefused, codes=frozenset({"invalid_argument"}), message=BAD_KEY),  # Google's 400 for a wrong key
    Row(error=ModelMissing, codes=frozenset({"invalid_value", "invalid_request", "invalid_argument"}), message=MODEL),
    Row(error=Refused, codes=frozenset({"invalid_value", "invalid_request"}), message=pattern(r"\bsafety system\b")),
    Row(error=BadRequest, codes=BAD_REQUEST),
    # by type
    Row(error=NoFunds, types=frozenset({"insufficient_quota", "billing_limit_user_error", "billing_error"})),
    Row(error=KeyRefused, types=frozenset({"authentication_error", "invalid_authentication_error"})),
    Row(error=Refused, types=frozenset({"content_policy_violation", "content_filter", "moderation_error"})),
    Row(error=QuotaGone, types=words("rate_limit_error requests tokens images input-images"), message=DAILY),
    Row(error=Throttled, types=words("rate_limit_error overloaded_error service_unavailable_error")),
    Row(error=ModelMissing, types=frozenset({"model_not_found", "model_not_found_error"})),
    Row(error=OutcomeUnknown, statuses=_TIMEOUT_STATUSES, types=frozenset({"proxy_error"})),  # it asked, none came back
    Row(error=ServerFault, statuses=frozenset({200}), codes=_OURS),
    Row(error=ServerFault, statuses=frozenset({200}), types=_OURS),
    # by status
    Row(error=KeyRefused, statuses=frozenset({401})),
    Row(error=NoFunds, statuses=frozenset({402})),
    # by message
    Row(error=OutcomeUnknown, statuses=_TIMEOUT_STATUSES, message=TIMED_OUT),  # the work behind it may go on
    # A relay (LiteLLM 1.106) tells in its own JSON that the line behind it broke, or hands a proxy's page on in it.
    Row(error=OutcomeUnknown, statuses=_TIMEOUT_STATUSES, message=BROKEN_BEHIND),
    Row(error=QuotaGone, statuses=frozenset({200, 403, 429}), message=DAILY),
    Row(error=Throttled, statuses=frozenset({429}), message=pattern(r"quota exceeded for metric.*retry in")),
    Row(error=Refused, statuses=_CONTENT_STATUSES, message=CONTENT),
    Row(error=NoFunds, statuses=_MONEY_STATUSES, message=MONEY),
    Row(error=ModelMissing, statuses=frozenset({403}), message=MODEL_RIGHTS),
    Row(error=KeyRefused, statuses=frozenset({403}), message=KEY),
    Row(error=KeyRefused, statuses=frozenset({200, 400, 500}), message=BAD_KEY),
    Row(error=ModelMissing, statuses=frozenset({200, 400, 404, 422, 500, 502, 503}), message=MODEL),
    Row(error=Throttled, statuses=frozenset({200}), message=LOADED),
    Row(error=BadRequest, statuses=frozenset({200}), types=frozenset({"invalid_request_error"})),
    Row(error=BadRequest, statuses=frozenset({200, 500}), types=frozenset({"image_generation_user_error"})),
    Row(error=BadRequest, statuses=frozenset({200}), message=ASKED_WRONG),
)


def classify(status: int, code: str, kind: str, message: str, *, makers_json: bool) -> type[ProviderError]:
    """What an error is. *kind* is the body's ``type``; *makers_json*: the body is JSON with an ``error`` and a message.

    Never a success: call it for an answer that brought no picture.
    """
    code, kind = code.lower(), kind.lower()
    for row in ROWS:
        if row.matches(status, code, kind, message):
            return row.error
    if status in {429, 503}:
        return Throttled
    if 500 <= status < 600 or 200 <= status < 300:
        return ServerFault if makers_json else OutcomeUnknown
    return OutcomeUnknown if status == 408 or status < 300 else BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Genuine:
    """An error as the maker's host words it: HTTP status and the four members of ``error``."""

    status: int
    type: str
    code: str | None
    message: str
    param: str | None = None

    def as_json(self) -> dict[str, dict[str, str | None]]:
        """The body to answer with."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


GENUINE: dict[type[ProviderError], Genuine] = {
    Throttled: Genuine(
        status=429,
        type="input-images",
        code="rate_limit_exceeded",
        message="Rate limit reached for images per min. Please try again in 1s.",
    ),
    ServerFault: Genuine(
        status=500,
        type="server_error",
        code=None,
        message="The server had an error while processing your request.",
    ),
    Refused: Genuine(
        status=400,
        type="image_generation_user_error",
        code="moderation_blocked",
        message="Your request was rejected by the safety system.",
    ),
    BadRequest: Genuine(
        status=400, type="invalid_request_error", code="invalid_value", message="Invalid value in the request."
    ),
    ModelMissing: Genuine(
        status=404, type="invalid_request_error", code="model_not_found", message="The model does not exist."
    ),
    KeyRefused: Genuine(
        status=401, type="invalid_request_error", code="invalid_api_key", message="Incorrect API key provided."
    ),
    NoFunds: Genuine(
        status=400,
        type="billing_limit_user_error",
        code="billing_hard_limit_reached",
        message="Billing hard limit has been reached.",
    ),
    QuotaGone: Genuine(
        status=429,
        type="requests",
        code="rate_limit_exceeded",
        message="Rate limit reached on images per day (IPD): Limit 200, Used 200, Requested 1.",
    ),
}
"""How each error travels; what cannot be said in an answer (`NotSent`, `OutcomeUnknown`) is not in it."""
