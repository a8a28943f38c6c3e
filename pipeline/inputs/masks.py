"""Masks: a PNG whose transparent pixels may change, small enough and of the size of the first image."""

from typing import Final

from PIL import Image as Pillow
from PIL import ImageOps

from pipeline.domain.errors import InputFault
from pipeline.domain.image import Format
from pipeline.domain.request import Prepared
from pipeline.inputs.limits import InputLimits
from pipeline.inputs.made import Made
from pipeline.inputs.making import READABLE, encode
from pipeline.inspect.decode import decoding

_PAINT: Final = "make transparent in an image editor what may change, and save it as PNG"


def make_mask(source: str, data: bytes, limits: InputLimits) -> Made:
    """A mask as it is to be sent. Blocks.

    Raises InputFault when it has no transparent pixel or cannot be made smaller than the limit, BrokenPicture.
    """
    with decoding(data, formats=READABLE) as picture:
        if not picture.has_transparency_data:
            raise InputFault(f"{source}: a mask without alpha edits nothing: {_PAINT}")
        notes = []
        if picture.format != "PNG":
            notes.append(f"{picture.format} to PNG")
        upright = ImageOps.exif_transpose(picture)
        if upright.size != picture.size or upright.getexif() != picture.getexif():
            notes.append("turned upright")
        if picture.mode != "RGBA":
            notes.append("to RGBA")
        frame = upright.convert("RGBA")
        if frame.getchannel("A").getextrema()[0] == 255:
            raise InputFault(f"{source}: nothing in this mask is transparent, it would edit nothing: {_PAINT}")
        return _made(source, frame, data, notes, limits)


def _made(source: str, frame: Pillow.Image, data: bytes, notes: list[str], limits: InputLimits) -> Made:
    sent: bytes | None = None
    if notes or len(data) >= limits.mask_bytes:
        sent = encode(frame, Format.PNG)
        if len(sent) >= limits.mask_bytes:
            # Only alpha says what may change: without colours what is left packs well.
            bare = Pillow.new("RGBA", frame.size)
            bare.putalpha(frame.getchannel("A"))
            sent = encode(bare, Format.PNG)
            notes.append("colours left out")
        most = limits.mask_bytes / 1_000_000
        if len(sent) >= limits.mask_bytes:
            raise InputFault(f"{source}: {len(sent) / 1_000_000:.1f} MB, a mask is below {most:.0f} MB (simplify it)")
    width, height = frame.size
    return Made(
        data=sent,
        media_type=Format.PNG.media_type,
        width=width,
        height=height,
        notes=tuple(notes),
        given=(width, height),
    )


def scale_mask(data: bytes, size: tuple[int, int]) -> bytes:
    """The mask for a first image that was scaled down to *size*, with no new half-transparent pixels.

    Raises BrokenPicture.
    """
    with decoding(data, formats=("PNG",)) as picture:
        return encode(picture.convert("RGBA").resize(size, Pillow.Resampling.NEAREST), Format.PNG)


def misfit(mask: Prepared, first: Prepared, source: str = "the mask") -> InputFault:
    """What to tell about a mask of another size than the first image."""
    shown = f"{source}: it has {mask.width}x{mask.height} pixels, the first image {first.width}x{first.height}"
    if (mask.height, mask.width) == (first.width, first.height):
        return InputFault(f"{shown} once it is upright (turn the mask by 90 degrees)")
    return InputFault(f"{shown} (make the mask the size of the first image)")
