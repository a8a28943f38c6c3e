"""Which models the gateway lists, which it serves, and the tokens a picture counts for."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.digest import Json
from pipeline.gateway.profiles import Profile

LISTED: tuple[tuple[str, str], ...] = (
    ("gpt-image-2", "openai"),
    ("gpt-image-2-2026-04-21", "openai"),
    ("gpt-image-2.5-sunburst", "openai"),
    ("gpt-image-2.5-flare", "openai"),
    ("gpt-image-2.6-sunburst", "openai"),
    ("gpt-image-2.6-flare", "openai"),
    ("gpt-image-1.5", "openai"),
    ("gpt-image-1-mini", "openai"),
    ("chatgpt-image-latest", "openai"),
    ("gemini-3-pro-image", "google"),
    ("gemini-3.1-flash-image", "google"),
    ("sketch", "pipeline"),
)
"""Model ids and their owners, as ``GET /v1/models`` tells them."""

_IMAGES_ROUTE = re.compile(r"gpt-image-(2|1\.5|1-mini)([.-].*)?|chatgpt-image.*|sketch")
_DRAWS = re.compile(r"image|banana|sketch|dall-e|imagen|flux|seedream", re.IGNORECASE)
_CHAT_DRAWS = re.compile(r"gemini.*image|banana|sketch", re.IGNORECASE)
_FIXED_SIZES = re.compile(r"gpt-image-1|chatgpt-image")
_CREATED = 1626777600

_QUALITIES_2 = {"low": 16, "medium": 48, "high": 96}
_QUALITIES_25 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_PARTIAL_TOKENS = 100


def is_served(model: str, profile: Profile) -> bool:
    """Whether the images routes know this model in this dialect."""
    match profile.models:
        case "any":
            return True
        case "openai":
            return _IMAGES_ROUTE.fullmatch(model) is not None
        case "channel":
            return draws(model) and not model.startswith("dall-e")


def draws(model: str) -> bool:
    """Whether a model of this name answers a chat with a picture."""
    return _DRAWS.search(model) is not None


def has_fixed_sizes(model: str) -> bool:
    """Whether the model takes the three standard sizes only (the 1.x family)."""
    return _FIXED_SIZES.match(model) is not None


def qualities(model: str) -> tuple[str, ...]:
    """The qualities the model takes, without ``auto``."""
    return tuple(_tokens_by_quality(model))


def describe(model: str, owner: str) -> dict[str, Json]:
    """One model as OpenAI lists it, with the extra keys of new-api."""
    endpoints: list[Json] = ["openai"] if _CHAT_DRAWS.search(model) else ["image-generation", "openai"]
    return {
        "id": model,
        "object": "model",
        "created": _CREATED,
        "owned_by": owner,
        "supported_endpoint_types": endpoints,
    }


def _tokens_by_quality(model: str) -> Mapping[str, int]:
    return _QUALITIES_25 if re.match(r"gpt-image-2\.[5-9]", model) else _QUALITIES_2


def output_tokens(model: str, quality: str, width: int, height: int) -> int:
    """Tokens of one picture: q·s·(2,000,000 + pixels) / 4,000,000, rounded up, s = q scaled by the aspect.

    A formula fitted to the published prices of gpt-image-2 and 2.5, exact on all of them. Unknown qualities
    count as medium.
    """
    table = _tokens_by_quality(model)
    q = table.get(quality, table["medium"])
    short, long = sorted((width, height))
    s = math.floor(q * short / long + 0.5)
    return math.ceil(q * s * (2_000_000 + width * height) / 4_000_000)


def input_image_tokens(width: int, height: int) -> int:
    """Tokens of one picture that is sent along: one for each 32 pixel square, at most 1,536."""
    return min(1536, math.ceil(width / 32) * math.ceil(height / 32))


def text_tokens(text: str) -> int:
    """About what a byte-pair tokenizer counts: a quarter of the ASCII characters, one for each other one."""
    wide = sum(not character.isascii() for character in text)
    return max(1, math.ceil((len(text) - wide) / 4) + wide)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one request."""

    text_in: int
    image_in: int
    image_out: int

    def as_usage(self) -> dict[str, Json]:
        """The ``usage`` object of the images routes."""
        return {
            "total_tokens": self.text_in + self.image_in + self.image_out,
            "input_tokens": self.text_in + self.image_in,
            "output_tokens": self.image_out,
            "input_tokens_details": {"text_tokens": self.text_in, "image_tokens": self.image_in},
            "output_tokens_details": {"image_tokens": self.image_out, "text_tokens": 0},
        }

    def as_chat_usage(self) -> dict[str, Json]:
        """The ``usage`` object of chat completions, with OpenRouter's details."""
        inwards = self.text_in + self.image_in
        return {
            "prompt_tokens": inwards,
            "completion_tokens": self.image_out,
            "total_tokens": inwards + self.image_out,
            "prompt_tokens_details": {"text_tokens": self.text_in, "image_tokens": self.image_in},
            "completion_tokens_details": {"image_tokens": self.image_out},
            "cost": 0,
        }


def partial_tokens(count: int) -> int:
    """What *count* partial pictures add to the output tokens of one picture."""
    return _PARTIAL_TOKENS * count
