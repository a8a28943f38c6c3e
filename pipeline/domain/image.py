"""What is known of a picture."""

from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.domain.digest import Digest


class Format(StrEnum):
    """The formats a host may return or accept, by the name the API uses."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"

    @property
    def extension(self) -> str:
        """File extension without the dot; ``jpg`` for JPEG."""
        return "jpg" if self is Format.JPEG else self.value

    @property
    def media_type(self) -> str:
        """For example ``image/png``."""
        return f"image/{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a picture's bytes really are, told from their structure.

    width, height in pixels as stored (before any EXIF turn); has_alpha says that the format
    carries transparency, transparent_share which part of the pixels (0 to 1) is not fully opaque,
    None while nobody has looked at the pixels. notes: oddities that do no harm (bytes after the end, more frames);
    two Facts are the same picture whatever was noted.
    """

    format: Format
    width: int
    height: int
    has_alpha: bool
    transparent_share: float | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Kept bytes, named by their SHA-256."""

    digest: Digest
    size: int
    facts: Facts
