"""A request understood: what is to be drawn, checked the way the dialect checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipeline.domain.digest import Digest, Json, canonical_json, digest_of
from pipeline.gateway.errors import IMAGE_USER, ApiError, Trouble, bad
from pipeline.gateway.inputs import Input, read_inputs, read_mask
from pipeline.gateway.models import is_served, qualities
from pipeline.gateway.parameters import checked, dropped
from pipeline.gateway.profiles import Profile, ResultForm
from pipeline.gateway.reading import Fields
from pipeline.gateway.sizes import auto_size, parse_size

Route = Literal["generations", "edits", "chat"]

PROMPT_LIMIT = 32_000
_NOT_DRAWN = {"response_format", "stream", "partial_images", "user", "safety_identifier", "n", "prompt", "image"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one accepted request wants drawn.

    width, height in pixels; quality, background and output_format resolved, never ``auto``. compression: the
    quality of jpeg and webp, 0 to 100; None when not asked. frames, frame_ms: of a gif. first: the number of
    the first picture (from 1), so that candidates asked one by one differ. other: parameters beside these that
    may change a picture. wanted: the form of the results. dropped: parameters the dialect drops without a word.
    (Without slots, for `digest`.)
    """

    route: Route
    model: str
    prompt: str
    width: int
    height: int
    n: int = 1
    quality: str = "medium"
    background: Literal["transparent", "opaque"] = "opaque"
    output_format: str = "png"
    compression: int | None = None
    stream: bool = False
    partials: int = 0
    frames: int = 9
    frame_ms: int = 200
    first: int = 1
    wanted: ResultForm = "b64_json"
    inputs: tuple[Input, ...] = ()
    mask: Input | None = None
    other: tuple[tuple[str, Json], ...] = ()
    identifier: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """The size in the API's words, for example ``1024x1024``."""
        return f"{self.width}x{self.height}"

    @cached_property
    def digest(self) -> Digest:
        """Names all that decides the pictures but their numbers: picture 2 is the same, however it is asked for."""
        parts: list[Json] = [self.route, self.model, self.prompt, self.size, self.quality, self.background]
        parts += [self.output_format, self.compression, self.frames, self.frame_ms]
        parts += [picture.digest for picture in self.inputs]
        parts += ["mask", self.mask.digest if self.mask else None]
        parts += [[name, value] for name, value in self.other]
        return digest_of(canonical_json(parts))


def make_order(fields: Fields, profile: Profile, route: Literal["generations", "edits"], first: int = 1) -> Order:
    """The order a body of the images routes means. Raises ApiError, the genuine answer to a bad one."""
    values = checked(fields, profile, route)
    prompt = _prompt(values, profile)
    model = str(values.get("model") or ("dall-e" if profile.name == "newapi" else "gpt-image-2"))
    _check_model(model, profile)
    if profile.strict:
        _check_combinations(values, model)
    inputs = read_inputs(fields, profile) if route == "edits" else ()
    mask = read_mask(fields, inputs[0], profile) if inputs else None
    size = str(values.get("size") or profile.default_size)
    width, height = parse_size(size, model, profile) or auto_size(prompt, inputs[0].size if inputs else None)
    output_format = str(values.get("output_format") or "png")
    background = _background(str(values.get("background") or "auto"), output_format, inputs)
    compression = values.get("output_compression")
    return Order(
        route=route,
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        n=_integer(values, "n", 1),
        quality=_quality(str(values.get("quality") or "auto"), model),
        background=background,
        output_format=output_format,
        compression=compression if isinstance(compression, int) else None,
        stream=bool(values.get("stream")),
        partials=_integer(values, "partial_images", 0),
        frames=_integer(values, "frame_count", 9),
        frame_ms=_integer(values, "frame_duration_ms", 200),
        first=first,
        wanted=_wanted(values.get("response_format"), profile),
        inputs=inputs,
        mask=mask,
        other=_other(values),
        identifier=str(values.get("safety_identifier") or values.get("user") or ""),
        dropped=dropped(fields, profile),
    )


def tidy(text: str) -> str:
    """Text that can be written anywhere: a lone surrogate, legal in JSON, becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _prompt(values: Mapping[str, Json], profile: Profile) -> str:
    prompt = values.get("prompt")
    if prompt is None:
        raise bad("Missing required parameter: 'prompt'.", param="prompt", code="missing_required_parameter")
    if not isinstance(prompt, str):
        raise bad("Invalid type for 'prompt': expected a string.", param="prompt", code="invalid_type")
    prompt = tidy(prompt)
    if not prompt.strip():
        raise bad(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            param="prompt",
            code="empty_string",
        )
    if len(prompt) > PROMPT_LIMIT and (profile.strict or profile.name != "lenient"):
        raise bad(
            f"Invalid 'prompt': string too long. Expected a string with maximum length {PROMPT_LIMIT}, "
            f"but got a string with length {len(prompt)} instead.",
            param="prompt",
            code="string_above_max_length",
        )
    return prompt


def _check_model(model: str, profile: Profile) -> None:
    if is_served(model, profile):
        return
    if profile.models == "channel":
        raise ApiError(
            Trouble(
                status=503,
                message=f"No available channel for model {model} under group default (distributor)",
                type="new_api_error",
                code="model_not_found",
            )
        )
    raise ApiError(
        Trouble(status=404, message=f"The model '{model}' does not exist.", param="model", code="model_not_found")
    )


def _check_combinations(values: Mapping[str, Json], model: str) -> None:
    """Parameters that are fine by themselves and refused together (api.openai.com, 2026)."""
    output_format = values.get("output_format") or "png"
    compression = values.get("output_compression")
    if output_format == "svg":
        raise bad("This organization has no access to SVG output.", param="output_format", code="invalid_value")
    if output_format in {"png", "gif"} and isinstance(compression, int) and compression < 100:
        raise bad(
            f"Compression less than 100 is not supported for {str(output_format).upper()} output format",
            param="output_compression",
            code="invalid_png_output_compression",
            kind=IMAGE_USER,
        )
    if values.get("background") == "transparent" and output_format == "jpeg":
        raise bad(
            "Transparent background is not supported for JPEG output format. Use png or webp.",
            param="background",
            code="invalid_value",
            kind=IMAGE_USER,
        )
    if values.get("input_fidelity") is not None and not model.startswith(("gpt-image-1", "chatgpt-image")):
        raise bad(
            f"The model '{model}' does not support the 'input_fidelity' parameter.",
            param="input_fidelity",
            code="invalid_input_fidelity_model",
        )
    if output_format == "gif" and values.get("stream"):
        raise bad("Streaming is not supported for GIF output format.", param="stream", code="invalid_value")
    _check_quality(values, model)


def _check_quality(values: Mapping[str, Json], model: str) -> None:
    known = (*qualities(model), "auto")
    if (values.get("quality") or "auto") not in known:
        supported = ", ".join(f"'{name}'" for name in known)
        raise bad(
            f"Invalid value: '{values['quality']}'. Supported values are: {supported}.",
            param="quality",
            code="invalid_value",
        )


def _quality(quality: str, model: str) -> str:
    if quality in qualities(model):
        return quality
    return {"hd": "high", "xhigh": "high", "max": "high"}.get(quality, "medium")


def _background(background: str, output_format: str, inputs: tuple[Input, ...]) -> Literal["transparent", "opaque"]:
    """jpeg cannot be transparent; ``auto`` keeps the transparency of the first input."""
    if output_format == "jpeg":
        return "opaque"
    if background == "auto" and inputs and inputs[0].has_alpha:
        return "transparent"
    return "transparent" if background == "transparent" else "opaque"


def _integer(values: Mapping[str, Json], name: str, default: int) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else default


def _wanted(asked: Json, profile: Profile) -> ResultForm:
    if profile.response_format == "honour" and asked in {"url", "b64_json"}:
        return "url" if asked == "url" else "b64_json"
    return profile.result


def _other(values: Mapping[str, Json]) -> tuple[tuple[str, Json], ...]:
    said = {
        "model", "size", "quality", "background", "output_format", "output_compression", "frame_count",
        "frame_duration_ms", "mask", "images", "moderation",
    }  # fmt: skip
    return tuple(sorted((name, value) for name, value in values.items() if name not in said | _NOT_DRAWN))
