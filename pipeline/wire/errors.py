"""An answer without a picture as the error it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.domain.digest import Json
from pipeline.domain.errors import (
    Answered,
    BadRequest,
    KeyRefused,
    ModelMissing,
    NoFunds,
    OutcomeUnknown,
    ProviderError,
    Refused,
)
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.wire.bodies import is_html, object_at, parse, text_at
from pipeline.wire.redact import plain, redact
from pipeline.wire.sse import events, is_stream
from pipeline.wire.table import classify
from pipeline.wire.waits import retry_after

_TITLE = re.compile(rb"<title[^>]*>(.{1,200}?)</title", re.IGNORECASE | re.DOTALL)
_SAID_ID = re.compile(r"\brequest[ _-]?id:?\s*[\"']?(?P<id>[\w.-]{6,128})", re.IGNORECASE)
_VIOLATIONS = re.compile(r"safety_violations=\[(?P<list>[^\]]{0,300})\]")
_ID_HEADERS = ("x-request-id", "x-oneapi-request-id", "request-id", "x-amzn-requestid", "cf-ray")
_HINTS: dict[type[ProviderError], str] = {
    KeyRefused: "check the provider's api_key",
    NoFunds: "top the account up or raise its limit",
    ModelMissing: "check the model's name and what this key's group may use",
}
_TOO_EARLY_TO_DRAW = "a proxy or a page, not the image endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The error as the body words it. makers_json: it is JSON with an object ``error`` that has a message."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    status: int = 0
    stage: str = ""
    categories: tuple[str, ...] = ()
    makers_json: bool = False


def error_of(
    head: Head, body: bytes, seconds: float, *, secrets: Iterable[Secret] = (), id_header: str = ""
) -> ProviderError:
    """The error that *head* and *body* are: its class from the one table, its `answered` redacted.

    seconds: how long the attempt took. id_header: where this host says its request id. *secrets* are taken out of every
    text besides what looks like a key.
    Pure; blocks no longer than reading the body takes. Never raises.
    """
    secrets = tuple(secrets)
    said = _said(body)
    status = head.status
    told = said.status if 200 <= status < 300 and said.status >= 400 else status
    kind = classify(told, said.code, said.type, said.message[:4000], makers_json=said.makers_json)
    answered = Answered(
        status=status,
        code=plain(said.code, 80),
        type=plain(said.type, 80),
        message=redact(said.message, secrets),
        param=redact(said.param, secrets, limit=80),
        request_id=request_id(head, said.message, header=id_header, secrets=secrets),
        retry_after=retry_after(head.headers, said.message),
        seconds=seconds,
        stage=plain(said.stage, 40),
        categories=tuple(redact(category, secrets, limit=80) for category in said.categories[:20]),
    )
    if kind is not Refused:
        answered = replace(answered, stage="", categories=())
    return kind(_line(kind, head, answered, secrets), answered)


def says_error(value: Json) -> bool:
    """Whether a JSON body of a 2xx says that it is an error: a truthy ``error``, or ``success: false``."""
    return isinstance(value, dict) and (bool(value.get("error")) or value.get("success") is False)


def request_id(head: Head, message: str = "", *, header: str = "", secrets: Iterable[Secret] = ()) -> str:
    """The host's id of a request: from *header*, the headers hosts use for it, or ``(request id: …)`` in *message*."""
    names = (header.lower(), *_ID_HEADERS) if header else _ID_HEADERS
    found = next((head.headers[name] for name in names if head.headers.get(name)), "")
    if not found and (said := _SAID_ID.search(message[:4000])):
        found = said["id"]
    return redact(found, secrets, limit=128)


def _line(kind: type[ProviderError], head: Head, answered: Answered, secrets: tuple[Secret, ...]) -> str:
    words = " ".join(filter(None, (f"HTTP {head.status}", answered.code or answered.type)))
    hint = _hint(kind, head, answered, secrets)
    return f"{words}: {answered.message or _silence(kind)}" + (f" ({hint})" if hint else "")


def _silence(kind: type[ProviderError]) -> str:
    return "no usable answer, perhaps billed" if kind is OutcomeUnknown else "the host gave no reason"


def _hint(kind: type[ProviderError], head: Head, answered: Answered, secrets: tuple[Secret, ...]) -> str:
    if 300 <= head.status < 400:
        location = re.split(r"[?#]", head.headers.get("location", ""), maxsplit=1)[0]
        target = redact(location, secrets, limit=200) or "elsewhere"
        return f"it redirects to {target}, and a paid request follows no redirect: put the right base_url"
    if kind is BadRequest:
        return _request_hint(head, answered)
    return _HINTS.get(kind, "")


def _request_hint(head: Head, answered: Answered) -> str:
    if answered.param:
        return (
            f"parameter `{answered.param}`: change or remove it; if this host never takes it, say so in the catalogue"
        )
    match head.status:
        case 404 | 405:
            return "no image endpoint there: check base_url"
        case 413:
            return "the request is too large: send smaller or fewer images"
        case 403:
            return _TOO_EARLY_TO_DRAW if "page" in answered.message else ""
        case _:
            return ""


def _said(body: bytes) -> _Said:
    if is_stream(body):
        return _said_in_stream(body)
    try:
        value = parse(body)
    except ValueError:
        return _said_in_text(body)
    return _said_in_json(value)


def _said_in_stream(body: bytes) -> _Said:
    told = [_said_in_json(event.value) for event in events(body) if says_error(event.value) or event.name == "error"]
    return told[-1] if told else _Said(message="the stream ended without a picture")


def _said_in_text(body: bytes) -> _Said:
    if is_html(body):
        title = _TITLE.search(body[:65536])
        name = b" ".join(title[1].split()).decode("utf-8", "replace") if title else ""
        return _Said(
            message=f"a page for people instead of an answer: {name}"
            if name
            else "a page for people instead of an answer"
        )
    text = body[:4000].decode("utf-8", "replace").strip()
    if text.startswith(("{", "[")):
        return _Said(message="the answer was cut short")
    return _Said(message=text)


def _said_in_json(value: Json) -> _Said:
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, list) and error and isinstance(error[0], dict):
        error = error[0]
    if isinstance(error, dict):
        return _said_by_maker(error, value)
    if isinstance(error, str) and error:
        return _Said(
            message=text_at(value, "message") or error, code=text_at(value, "code"), type=text_at(value, "type")
        )
    return _said_flat(value)


def _said_flat(value: Json) -> _Said:
    # Problem JSON ({type, title, status, detail}), FastAPI's detail, Google's list, new-api's {success, message}.
    if isinstance(value, list) and value:
        return _said_in_json(value[0])
    words = (text_at(value, name) for name in ("message", "detail", "title", "msg", "error_description"))
    kind = text_at(value, "type")  # a link to an explanation in problem JSON
    return _Said(
        message=next((word for word in words if word), ""),
        code=text_at(value, "code"),
        type="" if "/" in kind or ":" in kind else kind,
        param=text_at(value, "param"),
    )


def _said_by_maker(error: dict[str, Json], whole: Json) -> _Said:
    inner = _wrapped(error)
    told = inner or error
    message = text_at(told, "message") or text_at(error, "message")
    code, named = text_at(told, "code"), text_at(told, "status")
    number = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 0
    stage, categories = _moderation(error, told, whole, message)
    return _Said(
        message=message,
        code=(named if number and not named.isdigit() else "") if number else code,
        type=text_at(told, "type"),
        param=text_at(told, "param"),
        status=number,
        stage=stage,
        categories=categories,
        makers_json=bool(message),
    )


def _wrapped(error: dict[str, Json]) -> dict[str, Json]:
    # OpenRouter hands on what its own provider said as a string of JSON.
    try:
        raw = parse(text_at(error, "metadata", "raw").encode("utf-8", "replace"))
    except ValueError:
        return {}
    inner = object_at(raw, "error")
    return inner if text_at(inner, "message") else {}


def _moderation(
    error: dict[str, Json], told: dict[str, Json], whole: Json, message: str
) -> tuple[str, tuple[str, ...]]:
    places = (told, error, object_at(error, "metadata"), object_at(whole))
    details = next((found for place in places if (found := object_at(place, "moderation_details"))), {})
    stage = text_at(details, "moderation_stage") or text_at(details, "stage")
    categories = _names(details.get("categories"))
    if reasons := _names(object_at(error, "metadata").get("reasons")):
        stage, categories = stage or "input", categories or reasons
    if not categories:
        categories = _filtered(object_at(told, "innererror", "content_filter_result"))
    if not categories and (violations := _VIOLATIONS.search(message[:4000])):
        categories = tuple(name.strip(" '\"") for name in violations["list"].split(",") if name.strip(" '\""))
    return stage, categories


def _names(value: Json) -> tuple[str, ...]:
    match value:
        case list():
            named = (
                item if isinstance(item, str) else text_at(item, "name") or text_at(item, "category") for item in value
            )
            return tuple(name for name in named if name)
        case dict():
            return tuple(name for name, flagged in value.items() if flagged)
        case str() if value:
            return (value,)
        case _:
            return ()


def _filtered(results: dict[str, Json]) -> tuple[str, ...]:
    flagged = (name for name, found in results.items() if isinstance(found, dict) and found.get("filtered") is True)
    return tuple(flagged)
