"""The Images protocol: generations as JSON, edits as a form or as JSON, and everything hosts answer to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from pipeline.domain.capability import Profile
from pipeline.domain.digest import Json
from pipeline.domain.errors import BadRequest
from pipeline.domain.request import Answer, Head, ImageRequest, Picture, Prepared, Usage
from pipeline.domain.secret import Secret
from pipeline.ports import Flight
from pipeline.provider.answers import answer, failure, picture_from, resolved_of, sum_usage, unusable, usage_of
from pipeline.provider.body import Body, Sendable, Slot, form_fields, json_body, multipart_body
from pipeline.provider.download import Downloader
from pipeline.provider.http import HttpPost
from pipeline.wire import error_of, events, is_html, is_stream, parse, says_error

Streaming: TypeAlias = Literal["auto", "off"]

_OWN = frozenset({"model", "prompt", "n", "stream", "partial_images", "image", "images", "mask"})
"""Members of the request that this endpoint writes itself; a parameter of that name does not pass."""
_KEEP_AWAKE = 1
"""Partial images asked for on a stream: one is enough to keep a proxy from cutting the line, and each costs tokens."""


class ImagesEndpoint:
    """`ports.Endpoint` on ``{base}/images/generations`` and ``{base}/images/edits``.

    stream: whether to ask for partial images, which keep proxies from cutting the line.
    """

    def __init__(self, *, http: HttpPost, downloads: Downloader, profile: Profile, stream: Streaming) -> None:
        self._http = http
        self._downloads = downloads
        self._profile = profile
        self._stream = stream

    async def post(self, request: ImageRequest, flight: Flight) -> Head:
        """Sends one POST and streams the whole body into *flight*; see `HttpPost.send` for what it raises."""
        params = self._params(request)
        body = self._body(request, params)
        path = "/images/edits" if request.is_edit else "/images/generations"
        accept = "text/event-stream, application/json" if params.get("stream") is True else "application/json"
        cap = self._profile.max_body * request.count
        candidate = request.steps[0].step.candidate
        return await self._http.send(path, body, flight, accept=accept, cap=cap, candidate=candidate)

    def read(self, head: Head, body: bytes) -> Answer:
        """The pictures of a whole *body*, in order. Pure. Raises ProviderError by the one table of `wire`."""
        return read_images(head, body, secrets=(self._http.key,), id_header=self._profile.id_header)

    async def fetch(self, url: str) -> bytes:
        """The bytes of a url result. Raises OutcomeUnknown when they cannot be had."""
        return await self._downloads.fetch(url)

    async def aclose(self) -> None:
        """Closes the connections; for whoever owns this endpoint alone."""
        await self._http.aclose()

    def _params(self, request: ImageRequest) -> dict[str, Json]:
        params: dict[str, Json] = {"model": request.model, "prompt": request.prompt, "n": request.count}
        params |= {name: value for name, value in request.params.items() if name not in _OWN and value is not None}
        if self._profile.response_format:
            params.setdefault("response_format", self._profile.response_format)
        return params | self._streaming(request.params)

    def _streaming(self, asked: Mapping[str, Json]) -> dict[str, Json]:
        if not streams(self._stream, self._profile, asked):
            return {}
        partials = asked.get("partial_images")
        return {"stream": True, "partial_images": _KEEP_AWAKE if partials is None else partials}

    def _body(self, request: ImageRequest, params: dict[str, Json]) -> Body:
        if not request.is_edit:
            return json_body(params)
        pictures = [prepared for prepared in request.inputs if prepared.role == "image"]
        masks = [prepared for prepared in request.inputs if prepared.role == "mask"]
        match self._profile.edits:
            case "multipart":
                return multipart_body(form_fields(params), self._files(pictures, masks))
            case "json":
                return json_body(params | _references(pictures, masks))
            case "none":
                raise BadRequest(f"{request.provider}: this host takes no input images (use another provider)")

    def _files(self, pictures: Sequence[Prepared], masks: Sequence[Prepared]) -> list[tuple[str, Prepared]]:
        name = self._profile.image_field
        if name == "standard":
            name = "image" if len(pictures) == 1 else "image[]"
        return [*((name, picture) for picture in pictures), *(("mask", mask) for mask in masks)]


def streams(stream: Streaming, profile: Profile, asked: Mapping[str, Json]) -> bool:
    """Whether to ask for a stream: never when it is off, else as the parameters say, else where it is known to work."""
    said = asked.get("stream")
    return stream == "auto" and (said if isinstance(said, bool) else profile.stream)


def _references(pictures: Sequence[Prepared], masks: Sequence[Prepared]) -> dict[str, Sendable]:
    references: dict[str, Sendable] = {"images": [{"image_url": Slot(picture)} for picture in pictures]}
    if masks:
        references["mask"] = {"image_url": Slot(masks[0])}
    return references


def read_images(head: Head, body: bytes, *, secrets: Sequence[Secret] = (), id_header: str = "") -> Answer:
    """The pictures of a whole answer of the Images protocol, JSON or stream, whatever its content type says.

    Raises ProviderError by the one table of `wire`; OutcomeUnknown for a 2xx without a usable picture.
    """
    if not 200 <= head.status < 300:
        raise failure(head, body, secrets, id_header=id_header)
    if is_stream(body):
        return _read_stream(head, body, secrets, id_header)
    try:
        value = parse(body)
    except ValueError as error:
        raise unusable(head, why_no_json(head, body), secrets, id_header=id_header) from error
    pictures = [picture for item in items_of(value) if (picture := picture_from(item, secrets))]
    if not pictures:
        if says_error(value):
            raise failure(head, body, secrets, id_header=id_header)
        raise unusable(head, _why_no_picture(value), secrets, id_header=id_header)
    usage = usage_of(value.get("usage")) if isinstance(value, dict) else None
    return answer(head, pictures, usage=usage, resolved=resolved_of(value), id_header=id_header)


def items_of(value: Json) -> Iterator[Json]:
    """The items of an Images answer: ``data`` as a list, or as the one item some hosts put there."""
    if not isinstance(value, dict):
        return
    data = value.get("data") or value.get("images")
    if isinstance(data, list):
        yield from data
    elif data:
        yield data


def completed_items(body: bytes) -> Iterator[tuple[str, dict[str, Json]]]:
    """The finished pictures of a stream as (which image, its event): never a partial one.

    An event is told by its ``type``; without one, by the ``event:`` line; what says neither and carries a picture
    without a partial index is finished.
    """
    for number, event in enumerate(events(body)):
        value = event.value
        if not isinstance(value, dict) or "partial" in event.name:
            continue
        if not event.name.endswith(("completed", "done", "result")) and "partial_image_index" in value:
            continue
        which = next(
            (str(value[name]) for name in ("image_index", "output_index", "index") if name in value), f"#{number}"
        )
        if any(name in value for name in ("b64_json", "url")):
            yield which, value
        for place, item in enumerate(items_of(value)):
            if isinstance(item, dict):
                yield f"{which}.{place}", {**value, **item}


def _read_stream(head: Head, body: bytes, secrets: Sequence[Secret], id_header: str) -> Answer:
    finished: dict[str, tuple[Picture, dict[str, Json]]] = {}
    for which, value in completed_items(body):
        if picture := picture_from(value, secrets):
            finished[which] = (picture, value)  # the last completed event of an image is the image
    if not finished:
        if any(says_error(event.value) or event.name == "error" for event in events(body)):
            raise failure(head, body, secrets, id_header=id_header)
        raise unusable(head, "the stream ended before a finished picture", secrets, id_header=id_header)
    usages: list[Usage] = [usage for _, value in finished.values() if (usage := usage_of(value.get("usage")))]
    last = next(reversed(finished.values()))[1]
    pictures = [picture for picture, _ in finished.values()]
    return answer(head, pictures, usage=sum_usage(usages), resolved=resolved_of(last), id_header=id_header)


def why_no_json(head: Head, body: bytes) -> str:
    """What the body of a 2xx is when it is no JSON, in words."""
    if not body.strip():
        return "an empty body instead of a picture"
    if encoding := head.headers.get("content-encoding", ""):
        return f"a body in the encoding {encoding!r}, which was not asked for"
    if is_html(body):
        return str(error_of(head, body, 0.0).answered.message)
    if body.lstrip()[:1] in {b"{", b"["}:
        return f"JSON that was cut short or is damaged ({len(body):,} bytes)"
    return f"no JSON ({len(body):,} bytes)"


def _why_no_picture(value: Json) -> str:
    items = list(items_of(value))
    if items:
        return f"{len(items)} results, and none of them holds a readable picture"
    return "no picture in the answer"
