"""Sizes in a chat: aspect ratios and image sizes as OpenRouter, new-api and Google spell them."""

from collections.abc import Mapping

from pipeline.domain.digest import Json
from pipeline.gateway.errors import bad
from pipeline.gateway.profiles import PROFILES
from pipeline.gateway.sizes import parse_size

_AT_1K: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
_SCALES: Mapping[str, float] = {"512": 0.5, "0.5K": 0.5, "1K": 1, "2K": 2, "4K": 4}


def chat_size(values: Mapping[str, Json], prompt: str, first: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height in pixels a chat asks for; the shape of the *first* picture when it says none.

    Raises ApiError (400) for a ratio or size nobody knows.
    """
    size = values.get("size")
    if isinstance(size, str) and size:
        exact = parse_size(size, "", PROFILES["lenient"])
        if exact is not None:
            return exact
    config = _image_config(values)
    ratio, image_size = config.get("aspect_ratio"), config.get("image_size") or "1K"
    if not isinstance(image_size, str) or image_size not in _SCALES:
        raise bad(f"Invalid image_size: {str(image_size)[:32]}.", param="image_config.image_size", code="invalid_value")
    if ratio is None:
        ratio = _nearest(first) if first else "1:1"
    if not isinstance(ratio, str) or ratio not in _AT_1K:
        raise bad(f"Invalid aspect_ratio: {str(ratio)[:32]}.", param="image_config.aspect_ratio", code="invalid_value")
    width, height = _AT_1K[ratio]
    scale = _SCALES[image_size]
    return min(8192, round(width * scale)), min(8192, round(height * scale))


def _image_config(values: Mapping[str, Json]) -> Mapping[str, Json]:
    """``image_config`` at the top, or inside a literal ``extra_body.google``."""
    config = values.get("image_config")
    extra = values.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else None
    if config is None and isinstance(google, dict):
        config = google.get("image_config")
    return config if isinstance(config, dict) else {}


def _nearest(size: tuple[int, int]) -> str:
    """The known ratio nearest to that of a picture."""
    ratio = size[0] / size[1]
    return min(_AT_1K, key=lambda name: abs(_AT_1K[name][0] / _AT_1K[name][1] - ratio))
