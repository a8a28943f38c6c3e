"""The chat protocol: a picture asked for, and edited, in a conversation."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.domain.capability import Profile
from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest
from pipeline.domain.request import Answer, Head, ImageRequest, Prepared, Turn
from pipeline.ports import Flight
from pipeline.provider.body import Sendable, Slot, json_body
from pipeline.provider.chat_answers import read_chat
from pipeline.provider.download import Downloader
from pipeline.provider.http import HttpPost
from pipeline.provider.images import Streaming, streams

_OWN = frozenset({"model", "messages", "prompt", "n", "stream", "partial_images", "response_format"})
_SHAPE = frozenset({"size", "aspect_ratio", "image_size", "image_config", "modalities", "extra_body"})
_SIZE = re.compile(r"(\d{1,5})\s*[x\u00d7*]\s*(\d{1,5})", re.IGNORECASE)
_RATIOS = tuple(
    (int(ratio.split(":")[0]), int(ratio.split(":")[1]))
    for ratio in ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
)


class ChatEndpoint:
    """`ports.Endpoint` on ``{base}/chat/completions``. stream: whether to ask for the answer as a stream."""

    def __init__(self, *, http: HttpPost, downloads: Downloader, profile: Profile, stream: Streaming) -> None:
        self._http = http
        self._downloads = downloads
        self._profile = profile
        self._stream = stream

    async def post(self, request: ImageRequest, flight: Flight) -> Head:
        """Sends one POST and streams the whole body into *flight*; see `HttpPost.send` for what it raises."""
        body: dict[str, Sendable] = {
            "model": request.model,
            "messages": self._messages(request),
            **_passed(request.params),
            **_options(self._profile, request.params),
        }
        if request.count > 1:
            body["n"] = request.count
        streaming = streams(self._stream, self._profile, request.params)
        if streaming:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        accept = "text/event-stream, application/json" if streaming else "application/json"
        cap = self._profile.max_body * request.count
        candidate = request.steps[0].step.candidate
        sent = json_body(body)
        return await self._http.send("/chat/completions", sent, flight, accept=accept, cap=cap, candidate=candidate)

    def read(self, head: Head, body: bytes) -> Answer:
        """The pictures of a whole *body*, in order. Pure. Raises ProviderError by the one table of `wire`."""
        return read_chat(head, body, secrets=(self._http.key,), id_header=self._profile.id_header)

    async def fetch(self, url: str) -> bytes:
        """The bytes of a url result. Raises OutcomeUnknown when they cannot be had."""
        return await self._downloads.fetch(url)

    async def aclose(self) -> None:
        """Closes the connections; for whoever owns this endpoint alone."""
        await self._http.aclose()

    def _messages(self, request: ImageRequest) -> list[Sendable]:
        if any(prepared.role == "mask" for prepared in request.inputs):
            raise BadRequest(f"{request.provider}: a mask cannot travel on chat (use `protocol: images` for this shot)")
        history = request.history if self._profile.conversation == "whole" else ()
        inputs = request.inputs
        if history and inputs and inputs[0].digest == history[-1].picture.digest:
            inputs = inputs[1:]  # it is in the conversation already, as the last answer
        earlier = (message for turn in history for message in self._turn(turn))
        return [*earlier, _user(request.prompt, inputs)]

    def _turn(self, turn: Turn) -> Iterator[Sendable]:
        yield _user(turn.prompt, turn.inputs)
        if self._profile.options == "openrouter":
            yield {"role": "assistant", "content": "", "images": [_part(turn.picture)]}
        else:
            # These read pictures out of the text, and lose whatever text follows the last one.
            yield {"role": "assistant", "content": Slot(turn.picture, "![image](", ")")}


def _user(prompt: str, inputs: Sequence[Prepared]) -> Sendable:
    if not inputs:
        return {"role": "user", "content": prompt}
    return {"role": "user", "content": [{"type": "text", "text": prompt}, *(_part(prepared) for prepared in inputs)]}


def _part(prepared: Prepared) -> Sendable:
    return {"type": "image_url", "image_url": {"url": Slot(prepared)}}


def _passed(params: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in params.items() if name not in _OWN | _SHAPE and value is not None}


def _options(profile: Profile, params: Mapping[str, Json]) -> dict[str, Json]:
    """Aspect ratio and size in the dialect of the host; what a manifest says in that dialect itself comes last."""
    config = image_config(params)
    said = params.get("image_config")
    if isinstance(said, dict):
        config |= said
    if profile.options == "openrouter":
        options: dict[str, Json] = {"modalities": params.get("modalities") or ["image", "text"]}
        return options | ({"image_config": config} if config else {})
    extra = params.get("extra_body")
    body: dict[str, Json] = dict(extra) if isinstance(extra, dict) else {}
    if config:
        google = body.get("google")
        body["google"] = {"image_config": config, **(google if isinstance(google, dict) else {})}
    options = {"modalities": params["modalities"]} if params.get("modalities") else {}
    return options | ({"extra_body": body} if body else {})


def image_config(params: Mapping[str, Json]) -> dict[str, Json]:
    """``aspect_ratio`` and ``image_size`` as given, else the nearest to a ``size`` in pixels; ``auto`` says nothing."""
    config: dict[str, Json] = {}
    if size := _SIZE.fullmatch(str(params.get("size") or "").strip()):
        width, height = int(size[1]), int(size[2])
        if width and height:
            config = {"aspect_ratio": _nearest_ratio(width, height), "image_size": _nearest_size(width, height)}
    elif isinstance(params.get("size"), str) and params["size"] in {"512", "0.5K", "1K", "2K", "4K"}:
        config = {"image_size": params["size"]}
    config |= {name: params[name] for name in ("aspect_ratio", "image_size") if params.get(name)}
    return config


def _nearest_ratio(width: int, height: int) -> str:
    wanted = math.log(width / height)
    across, down = min(_RATIOS, key=lambda ratio: abs(math.log(ratio[0] / ratio[1]) - wanted))
    return f"{across}:{down}"


def _nearest_size(width: int, height: int) -> str:
    longest = max(width, height)
    if longest <= 1536:
        return "1K"
    return "2K" if longest < 3072 else "4K"
