"""What both protocols read alike: usage, what the host says it used, and a 2xx that is no answer."""

import math
from collections.abc import Mapping, Sequence

from pipeline.domain.digest import Json
from pipeline.domain.errors import Answered, OutcomeUnknown, ProviderError
from pipeline.domain.money import MicroUsd, from_usd
from pipeline.domain.request import Answer, Head, Picture, Usage
from pipeline.domain.secret import Secret
from pipeline.wire import error_of, object_at, picture_of, plain, redact, request_id, text_at

_PROMPT_LIMIT = 32_000
_RESOLVED = ("size", "quality", "background", "output_format")


def picture_from(item: Json, secrets: Sequence[Secret]) -> Picture | None:
    """One item of an answer as a picture: its base64 where that holds one, else its url; None when it holds neither.

    Empty fields are as good as absent: gateways send all of them, with "" where there is nothing.
    """
    if isinstance(item, str):
        item = {"url": item} if _is_url(item) else {"b64_json": item}
    if not isinstance(item, dict):
        return None
    prompt = plain(redact_prompt(text_at(item, "revised_prompt"), secrets), _PROMPT_LIMIT)
    for name in ("b64_json", "b64", "image_base64"):
        text = item.get(name)
        if isinstance(text, str) and text and (data := picture_of(text)):
            return Picture(data=data, revised_prompt=prompt)
    for url in (text_at(item, "url"), text_at(item, "image_url"), text_at(item, "image_url", "url")):
        if found := picture_at(url.strip()):
            return Picture(data=found.data, url=found.url, revised_prompt=prompt)
    return None


def picture_at(url: str) -> Picture | None:
    """The picture of a data URL, or where to fetch an http(s) one; None for anything else."""
    if url[:5].lower() == "data:":
        data = picture_of(url)
        return Picture(data=data) if data else None
    return Picture(url=url) if _is_url(url) else None


def _is_url(text: str) -> bool:
    return text[:8].lower().startswith(("http://", "https://"))


def redact_prompt(text: str, secrets: Sequence[Secret]) -> str:
    """*text* without our keys; a prompt is otherwise left as it is."""
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), "[key]")
    return text


def resolved_of(value: Json) -> dict[str, str]:
    """Size, quality, background and format as the host says it used them; what it does not say is absent."""
    return {name: plain(said, 40) for name in _RESOLVED if (said := text_at(value, name))}


def usage_of(value: Json) -> Usage | None:
    """Token counts of a ``usage`` object in either spelling; None when it is absent or counts nothing.

    Without details all input is text and all output picture: what an answer mostly consists of, at the dearer price.
    """
    said = object_at(value)
    given = _count(said, "input_tokens", "prompt_tokens")
    made = _count(said, "output_tokens", "completion_tokens")
    into = object_at(said, "input_tokens_details") or object_at(said, "prompt_tokens_details")
    out = object_at(said, "output_tokens_details") or object_at(said, "completion_tokens_details")
    image_in = _count(into, "image_tokens")
    image_out = _count(out, "image_tokens") or max(0, made - _count(out, "text_tokens"))
    cost = _cost(said.get("cost"))
    if not given and not made and cost is None:
        return None
    return Usage(
        text_in=_count(into, "text_tokens") or max(0, given - image_in),
        image_in=image_in,
        cached_in=_count(into, "cached_tokens"),
        text_out=max(0, made - image_out),
        image_out=image_out,
        cost=cost,
    )


def sum_usage(usages: Sequence[Usage]) -> Usage | None:
    """Usages of several events of one answer together."""
    if len(usages) < 2:
        return usages[0] if usages else None
    costs = [usage.cost for usage in usages if usage.cost is not None]
    return Usage(
        text_in=sum(usage.text_in for usage in usages),
        image_in=sum(usage.image_in for usage in usages),
        cached_in=sum(usage.cached_in for usage in usages),
        text_out=sum(usage.text_out for usage in usages),
        image_out=sum(usage.image_out for usage in usages),
        cost=MicroUsd(sum(costs)) if costs else None,
    )


def _count(value: Mapping[str, Json], *names: str) -> int:
    for name in names:
        number = value.get(name)
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < 1e9:
            return int(number)
    return 0


def _cost(value: Json) -> MicroUsd | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return from_usd(value) if math.isfinite(value) and 0 <= value < 1e6 else None


def answer(
    head: Head,
    pictures: Sequence[Picture],
    *,
    usage: Usage | None,
    resolved: Mapping[str, str],
    text: str = "",
    id_header: str = "",
) -> Answer:
    """A whole answer; the same picture said twice is one picture."""
    return Answer(
        # One alone is not compared: that would hash megabytes.
        pictures=tuple(dict.fromkeys(pictures) if len(pictures) > 1 else pictures),
        usage=usage,
        request_id=request_id(head, header=id_header),
        resolved=dict(resolved),
        text=text,
        sketch=head.headers.get("x-pipeline-sketch", "") == "1",
    )


def failure(head: Head, body: bytes, secrets: Sequence[Secret], *, id_header: str = "") -> ProviderError:
    """The error of an answer that is not 2xx, or of a 2xx that says it is an error."""
    return error_of(head, body, head.seconds, secrets=secrets, id_header=id_header)


def unusable(head: Head, why: str, secrets: Sequence[Secret], *, id_header: str = "") -> OutcomeUnknown:
    """A 2xx without a usable picture: paid for, as far as anybody can tell."""
    message = redact(why, secrets)
    answered = Answered(
        status=head.status,
        message=message,
        request_id=request_id(head, header=id_header, secrets=secrets),
        seconds=head.seconds,
    )
    return OutcomeUnknown(f"HTTP {head.status}, perhaps billed: {message}", answered)
