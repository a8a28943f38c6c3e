"""All faults by name, and the other words for them."""

import re
from collections.abc import Mapping

from pipeline.gateway.errors import Trouble
from pipeline.gateway.fault_answers import ANSWERS
from pipeline.gateway.fault_errors import ERRORS
from pipeline.gateway.misfortune import Misfortune
from pipeline.wire import GENUINE

_BY_CLASS: Mapping[str, Misfortune] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).lower(): Misfortune(
        about=f"{genuine.status} as the one table of errors words it",
        trouble=Trouble(
            status=genuine.status,
            message=genuine.message,
            type=genuine.type,
            code=genuine.code,
            param=genuine.param,
        ),
    )
    for error, genuine in GENUINE.items()
}
"""One fault for every class of error that an answer can be, so that client and gateway can be held together."""

MISFORTUNES: Mapping[str, Misfortune] = {**_BY_CLASS, **ERRORS, **ANSWERS}
"""All faults by name."""

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
