"""Chat completions with pictures: which pictures a conversation means, and the five shapes of the answer."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from pipeline.domain.digest import Json
from pipeline.gateway.answers import as_base64, as_data_url, hosted_url, json_response, tokens_of
from pipeline.gateway.chat_sizes import chat_size
from pipeline.gateway.delivery import Accepted, accept, deliver
from pipeline.gateway.errors import bad
from pipeline.gateway.gateway import Gateway, gateway_of
from pipeline.gateway.inputs import MOST_INPUTS, decode
from pipeline.gateway.models import draws, text_tokens
from pipeline.gateway.order import Order, tidy
from pipeline.gateway.profiles import PROFILES
from pipeline.gateway.reading import Upload, fields_of, read_body, upload_of_url
from pipeline.gateway.sketch import Drawn
from pipeline.gateway.stream import DONE, data

_MARKDOWN = re.compile(r"!\[[^\]]*\]\((data:image/[^)\s]+)\)")
_SHAPE = re.compile(r"\[\[shape:\s*([a-e])\s*\]\]")
_PIECE = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What a conversation asks for: the last instruction and the pictures it is about, in order."""

    prompt: str
    uploads: tuple[Upload, ...]


async def completions(request: Request) -> Response:
    """``POST /chat/completions``."""
    gateway = gateway_of(request)
    key = gateway.check_key(request)
    body = await read_body(request, gateway.config.body_limit)
    fields = fields_of(body, "application/json")
    return await answer_chat(request, key, fields.values)


async def answer_chat(request: Request, key: str, values: Mapping[str, Json]) -> Response:
    """A chat completion for a chat body, streamed when it says so. Raises ApiError (400, 429)."""
    gateway = gateway_of(request)
    model = values.get("model")
    if not isinstance(model, str) or not model:
        raise bad("you must provide a model parameter", param="model", code="missing_required_parameter")
    if not isinstance(values.get("stream"), bool | None):
        raise bad("Invalid type for 'stream': expected a boolean.", param="stream", code="invalid_type")
    talk = read_talk(values.get("messages"))
    if not draws(model):
        return _text_answer(gateway, model, talk.prompt, stream=bool(values.get("stream")))
    order = await gateway.work(_order, values, model, talk)
    accepted = accept(gateway, request, key, order)

    def answer(pictures: Sequence[Drawn]) -> Response:
        message = _message(gateway, request, accepted, pictures)
        return _completion(gateway, accepted, message)

    return await deliver(gateway, request, accepted, answer)


def _order(values: Mapping[str, Json], model: str, talk: Talk) -> Order:
    inputs = tuple(
        decode(upload, f"messages.image[{number}]", PROFILES["lenient"]) for number, upload in enumerate(talk.uploads)
    )
    width, height = chat_size(values, talk.prompt, inputs[0].size if inputs else None)
    quality = values.get("quality")
    background = values.get("background")
    return Order(
        route="chat",
        model=model,
        prompt=talk.prompt,
        width=width,
        height=height,
        quality=quality if isinstance(quality, str) and quality in {"low", "medium", "high"} else "medium",
        background="transparent" if background == "transparent" or (inputs and inputs[0].has_alpha) else "opaque",
        stream=bool(values.get("stream")),
        inputs=inputs,
    )


def read_talk(messages: Json) -> Talk:
    """The instruction of the last user message, and the pictures since the last answer, that answer's own first.

    Raises ApiError (400) when there is no instruction.
    """
    if not isinstance(messages, list) or not messages:
        raise bad("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    prompt = ""
    recent: list[Upload] = []
    for message in messages:
        if not isinstance(message, dict):
            raise bad("Invalid type for 'messages': expected objects.", param="messages", code="invalid_type")
        text, uploads = _read_message(message)
        if message.get("role") == "assistant":
            recent = uploads or recent
        elif message.get("role") == "user":
            prompt = text or prompt
            recent += uploads
    if not prompt.strip():
        raise bad("Invalid 'messages': there is no text in them.", param="messages", code="empty_string")
    return Talk(prompt=tidy(prompt), uploads=_distinct(recent))


def _distinct(uploads: Sequence[Upload]) -> tuple[Upload, ...]:
    """Each picture once; the last ones when there are too many."""
    return tuple({upload.digest: upload for upload in uploads}.values())[-MOST_INPUTS:]


def _read_message(message: Mapping[str, Json]) -> tuple[str, list[Upload]]:
    """The text of a message without its pictures, and the pictures: parts, ``images`` and markdown."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    images = message.get("images")
    texts: list[str] = []
    uploads: list[Upload] = []
    for part in [*parts, *(images if isinstance(images, list) else [])]:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            text = str(part["text"])
            uploads += [upload_of_url(url, "messages") for url in _MARKDOWN.findall(text)]
            texts.append(_MARKDOWN.sub("", text).strip())
        elif isinstance(part, dict) and "image_url" in part:
            uploads += _read_part(part["image_url"])
    return "\n".join(text for text in texts if text), uploads


def _read_part(ref: Json) -> list[Upload]:
    url = ref.get("url") if isinstance(ref, dict) else ref
    if not isinstance(url, str):
        raise bad("Invalid 'image_url': expected an URL.", param="messages", code="invalid_type")
    return [upload_of_url(url, "messages")]


def _message(gateway: Gateway, request: Request, accepted: Accepted, pictures: Sequence[Drawn]) -> dict[str, Json]:
    """The assistant's message around a picture, in the asked shape."""
    strike = accepted.strike
    if strike is not None and strike.misfortune.chat:
        refused = strike.misfortune.chat == "filtered"
        return {"role": "assistant", "content": "" if refused else "I cannot draw that, but here is how I see it."}
    picture = pictures[0]
    marker = _SHAPE.search(accepted.order.prompt)
    shape: str = marker[1] if marker else gateway.config.chat_shape
    said = f"Here is a sketch of: {accepted.order.prompt[:200]}"
    match shape:
        case "a":
            return {"role": "assistant", "content": said, "images": [_image_part(as_data_url(picture))]}
        case "c":
            return {"role": "assistant", "content": f"![image]({hosted_url(gateway, request, picture)})"}
        case "d":
            parts: list[Json] = [{"type": "text", "text": said}, _image_part(as_data_url(picture))]
            return {"role": "assistant", "content": parts}
        case "e":
            return {"role": "assistant", "content": as_base64(picture)}
        case _:
            return {"role": "assistant", "content": f"![image]({as_data_url(picture)})"}


def _image_part(url: str) -> dict[str, Json]:
    return {"type": "image_url", "index": 0, "image_url": {"url": url}}


def _completion(gateway: Gateway, accepted: Accepted, message: dict[str, Json]) -> Response:
    strike = accepted.strike
    filtered = strike is not None and strike.misfortune.chat == "filtered"
    usage = tokens_of(accepted.order).as_chat_usage()
    return _rendered(
        gateway,
        accepted.order.model,
        message,
        usage,
        finish="content_filter" if filtered else "stop",
        stream=accepted.order.stream and not (strike is not None and strike.misfortune.stream == "json"),
    )


def _text_answer(gateway: Gateway, model: str, prompt: str, *, stream: bool) -> Response:
    """What a model without pictures says."""
    message: dict[str, Json] = {"role": "assistant", "content": f"{model} draws no pictures. You said: {prompt[:200]}"}
    count = text_tokens(prompt)
    usage: dict[str, Json] = {"prompt_tokens": count, "completion_tokens": 16, "total_tokens": count + 16}
    return _rendered(gateway, model, message, usage, finish="stop", stream=stream)


def _rendered(
    gateway: Gateway,
    model: str,
    message: dict[str, Json],
    usage: Mapping[str, Json],
    *,
    finish: Literal["stop", "content_filter"],
    stream: bool,
) -> Response:
    head: dict[str, Json] = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion.chunk" if stream else "chat.completion",
        "created": int(gateway.config.clock()),
        "model": model,
    }
    if stream:
        return _Buffered(_chunks(head, message, dict(usage), finish))
    choice: dict[str, Json] = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return json_response({**head, "choices": [choice], "usage": dict(usage)})


def _chunks(head: dict[str, Json], message: dict[str, Json], usage: dict[str, Json], finish: str) -> list[bytes]:
    """A chat stream: the role, the content (a picture in one delta), the reason it ended, the usage, ``[DONE]``."""

    def chunk(delta: dict[str, Json], reason: str | None = None) -> bytes:
        return data({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    content = {name: value for name, value in message.items() if name != "role"}
    closing = data({**head, "choices": [], "usage": usage})
    return [chunk({"role": "assistant", "content": ""}), chunk(content), chunk({}, finish), closing, DONE]


class _Buffered(Response):
    """A finished stream of events; whole, so that it can also travel badly."""

    media_type = "text/event-stream"

    def __init__(self, chunks: Sequence[bytes]) -> None:
        super().__init__(b"".join(chunks), headers={"cache-control": "no-cache"})
