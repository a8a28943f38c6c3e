"""Whether a picture that was asked with a transparent background has one: told from its pixels.

Hosts answer such a request with an opaque picture, or paint the grey checkerboard that image editors show behind
transparent pixels. Neither may pass as done.
"""

from dataclasses import dataclass, replace
from typing import Final

from PIL import Image as Pillow

from pipeline.domain.image import Facts
from pipeline.inspect.checkerboard import is_painted
from pipeline.inspect.decode import decoding

_OPAQUE: Final = 255
_CLEAR: Final = 128
"""Below this alpha a pixel shows more of what is behind it than of itself."""

_ENOUGH: Final = 0.005
_CORNER: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha:
    """What the pixels say of transparency.

    share: part of the pixels (0 to 1) that is not fully opaque. clear: part that is mostly transparent (alpha below
    128). corner_clear: at least one corner is. checkerboard: the editor's grey board is painted along the borders.
    """

    share: float
    clear: float
    corner_clear: bool
    checkerboard: bool


def transparency(data: bytes | memoryview, facts: Facts) -> Alpha:
    """Looks at every pixel's alpha and at the colours along the borders. Blocks: it decodes the picture.

    Raises BrokenPicture when it does not decode.
    """
    with decoding(data) as picture:
        picture.load()
        if facts.has_alpha or picture.has_transparency_data:
            return _looked(picture.convert("RGBA"))
        return Alpha(share=0.0, clear=0.0, corner_clear=False, checkerboard=is_painted(picture))


def is_transparent_enough(alpha: Alpha) -> bool:
    """Whether this counts as a picture with a transparent background.

    The rule: no painted checkerboard, and at least half a percent of the pixels mostly transparent or one corner
    clear. A few stray pixels of an encoder's noise are not enough; an icon that fills all but its corners is.
    """
    return not alpha.checkerboard and (alpha.clear >= _ENOUGH or alpha.corner_clear)


def with_share(facts: Facts, alpha: Alpha) -> Facts:
    """The facts with what was seen."""
    return replace(facts, transparent_share=round(alpha.share, 6))


def shortcoming(alpha: Alpha) -> str:
    """Why it is not transparent enough, for people; empty when it is."""
    if is_transparent_enough(alpha):
        return ""
    if alpha.checkerboard:
        return "a transparent background was asked; a checkerboard is painted where it should be"
    if not alpha.share:
        return "a transparent background was asked; every pixel is opaque"
    return f"a transparent background was asked; only {alpha.clear:.2%} of the pixels are transparent"


def _looked(picture: Pillow.Image) -> Alpha:
    channel = picture.getchannel("A")
    counts = channel.histogram()
    pixels = picture.width * picture.height
    return Alpha(
        share=1 - counts[_OPAQUE] / pixels,
        clear=sum(counts[:_CLEAR]) / pixels,
        corner_clear=_corner_clear(channel),
        checkerboard=is_painted(picture),
    )


def _corner_clear(channel: Pillow.Image) -> bool:
    """Whether all of a corner patch, a sixty-fourth of the shorter side, is mostly transparent."""
    width, height = channel.size
    side = max(1, min(width, height) // _CORNER)
    corners = ((0, 0), (width - side, 0), (0, height - side), (width - side, height - side))
    patches = (channel.crop((left, top, left + side, top + side)) for left, top in corners)
    return any(max(patch.tobytes()) < _CLEAR for patch in patches)
