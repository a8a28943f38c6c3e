"""Pictures out of a chat answer, in the five shapes hosts use, streamed or not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.domain.digest import Json, canonical_json
from pipeline.domain.errors import Answered, ProviderError, Refused
from pipeline.domain.request import Answer, Head, Picture
from pipeline.domain.secret import Secret
from pipeline.provider.answers import answer, failure, picture_at, picture_from, redact_prompt, unusable, usage_of
from pipeline.provider.images import items_of, why_no_json
from pipeline.wire import (
    decode_picture,
    events,
    is_picture,
    is_stream,
    list_at,
    object_at,
    parse,
    plain,
    redact,
    request_id,
    says_error,
    text_at,
)

_TEXT_LIMIT = 4000
_LINK = re.compile(
    r"!?\[[^\]\n]{0,400}\]\([ \n]*<?(data:[^)> \t\r\n]+|https?://[^)> \t\r\n]+)>?(?: +\"[^\"]*\")?[ \n]*\)",
    re.IGNORECASE,
)
_BARE = re.compile(r"(data:image/[\w.+-]+;base64,[A-Za-z0-9+/=_-]+|https?://[^ \t\r\n\"'<>()\[\]]+)", re.IGNORECASE)
_REFUSALS = frozenset(
    {
        "blocklist",
        "content-filter",
        "content_filter",
        "image_prohibited_content",
        "image_recitation",
        "image_safety",
        "prohibited_content",
        "recitation",
        "refusal",
        "safety",
        "spii",
    }
)
_SHORTEST_BASE64 = 64


@dataclass(slots=True, kw_only=True)
class _Reply:
    """What the choices of an answer said, put together from one message or from the pieces of a stream."""

    texts: list[str] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    parts: list[Json] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    usage: Json = None
    errors: list[Json] = field(default_factory=list)

    def take(self, value: Json) -> None:
        """Adds a whole answer, or one piece of a stream."""
        if not isinstance(value, dict):
            return
        if says_error(value):
            self.errors.append(value)
        self.usage = value.get("usage") or self.usage
        if blocked := text_at(value, "promptFeedback", "blockReason"):
            self.finished.append(blocked)
        for choice in list_at(value, "choices"):
            self._choose(choice)
        self.images += items_of(value)  # some gateways answer a chat in the shape of the Images protocol

    def _choose(self, choice: Json) -> None:
        message = object_at(choice, "message") or object_at(choice, "delta")
        if says_error(choice):
            self.errors.append(choice)
        self.finished += filter(None, (text_at(choice, "finish_reason"), text_at(choice, "native_finish_reason")))
        self.refusals += filter(None, [text_at(message, "refusal")])
        self.images += list_at(message, "images")
        if single := message.get("image"):
            self.images.append(single)
        content = message.get("content")
        if isinstance(content, str):
            self.texts.append(content)
        elif isinstance(content, list):
            self.parts += content


def read_chat(head: Head, body: bytes, *, secrets: Sequence[Secret] = (), id_header: str = "") -> Answer:
    """The pictures of a whole chat answer: ``images``, parts, markdown, links, bare base64, in this order of trust.

    Raises ProviderError by the one table of `wire`; Refused when the host says that it stopped for the content;
    OutcomeUnknown when it answered in words alone, which may be billed.
    """
    if not 200 <= head.status < 300:
        raise failure(head, body, secrets, id_header=id_header)
    reply = _reply(head, body, secrets, id_header)
    text = "".join(reply.texts) or "\n".join(_part_texts(reply.parts))
    pictures, words = _pictures(reply, text, secrets)
    said = plain(redact_prompt(words, secrets), _TEXT_LIMIT)
    if not pictures:
        raise _no_picture(head, reply, said, secrets, id_header)
    return answer(head, pictures, usage=usage_of(reply.usage), resolved={}, text=said, id_header=id_header)


def _reply(head: Head, body: bytes, secrets: Sequence[Secret], id_header: str) -> _Reply:
    reply = _Reply()
    if is_stream(body):
        for event in events(body):
            reply.take(event.value)
        return reply
    try:
        reply.take(parse(body))
    except ValueError as error:
        raise unusable(head, why_no_json(head, body), secrets, id_header=id_header) from error
    return reply


def _pictures(reply: _Reply, text: str, secrets: Sequence[Secret]) -> tuple[list[Picture], str]:
    for items in (reply.images, reply.parts):
        if found := [picture for item in items if (picture := _picture_of_part(item, secrets))]:
            return found, text
    return _pictures_in_text(text)


def _picture_of_part(item: Json, secrets: Sequence[Secret]) -> Picture | None:
    if found := picture_from(item, secrets):
        return found
    for name in ("inline_data", "inlineData", "source"):
        inline = object_at(item, name)
        if (text := text_at(inline, "data")) and (data := decode_picture(text)) and is_picture(data):
            return Picture(data=data)
    return None


def _part_texts(parts: Sequence[Json]) -> Iterator[str]:
    for part in parts:
        text = part if isinstance(part, str) else text_at(part, "text")
        if text:
            yield text


def _pictures_in_text(text: str) -> tuple[list[Picture], str]:
    for pattern in (_LINK, _BARE):
        found = list(pattern.finditer(text))
        at = [picture_at(match[1] if pattern is _LINK else match[1].rstrip(".,;")) for match in found]
        if pictures := [picture for picture in at if picture]:
            return pictures, _around(text, found)
    bare = text.strip()
    if len(bare) >= _SHORTEST_BASE64 and (data := decode_picture(bare)) and is_picture(data):
        return [Picture(data=data)], ""
    return [], text


def _around(text: str, found: Sequence[re.Match[str]]) -> str:
    starts = [0, *(match.end() for match in found)]
    ends = [*(match.start() for match in found), len(text)]
    return "".join(text[start:end] for start, end in zip(starts, ends, strict=True)).strip()


def _no_picture(head: Head, reply: _Reply, said: str, secrets: Sequence[Secret], id_header: str) -> ProviderError:
    if reply.errors:
        return failure(head, canonical_json(reply.errors[-1]), secrets, id_header=id_header)
    stopped = [reason for reason in reply.finished if reason.lower() in _REFUSALS]
    if stopped or reply.refusals:
        return _refusal(head, stopped, redact(" ".join(reply.refusals) or said, secrets), id_header)
    words = f": {said}" if said else ""
    return unusable(head, f"no image in the reply{words}", secrets, id_header=id_header)


def _refusal(head: Head, reasons: Sequence[str], message: str, id_header: str) -> Refused:
    answered = Answered(
        status=head.status,
        code=plain(reasons[0].lower() if reasons else "refusal", 80),
        message=message,
        request_id=request_id(head, header=id_header),
        seconds=head.seconds,
        stage="output",
        categories=tuple(dict.fromkeys(plain(reason, 80) for reason in reasons)),
    )
    return Refused(f"HTTP {head.status} {answered.code}: {message or 'the model refused'}", answered)
