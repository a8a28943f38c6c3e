"""Pictures brought into a form that hosts accept: upright, RGB or RGBA, one frame, below the limits.

A picture that is fine already is not touched. Otherwise photographs stay JPEG (quality 95, full colour resolution),
all else becomes PNG; the colour profile goes along.
"""

import io
from collections.abc import Iterator
from typing import Final

from PIL import AvifImagePlugin, ImageCms, TiffImagePlugin  # noqa: F401 - the plugins register their decoders
from PIL import Image as Pillow

from pipeline.domain.image import Format
from pipeline.inputs.limits import InputLimits
from pipeline.inputs.made import Made
from pipeline.inspect import BrokenPicture
from pipeline.inspect.decode import FORMATS, decoding

READABLE: Final = (*FORMATS, "AVIF", "BMP", "TIFF")
"""What a person may give; HEIC needs a decoder that is not here."""

_ORIENTATION: Final = 0x0112
_PHOTOGRAPHS: Final = frozenset({"JPEG", "MPO", "AVIF"})
_SENDABLE: Final = {"PNG": Format.PNG, "JPEG": Format.JPEG, "WEBP": Format.WEBP}
_SHRINK: Final = 0.8
_SCALED: Final = "scaled down"


def make_image(data: bytes, limits: InputLimits) -> Made:
    """An input picture as it is to be sent. Blocks. Raises BrokenPicture."""
    with decoding(data, formats=READABLE) as picture:
        kind = picture.format or ""
        notes = tuple(_needs(picture, data, limits))
        if not notes:
            picture.load()
            width, height = picture.size
            return Made(
                data=None, media_type=_SENDABLE[kind].media_type, width=width, height=height, given=(width, height)
            )
        given = _given(picture)
        profile = picture.info.get("icc_profile") if picture.mode in {"RGB", "RGBA"} else None
        upright = _colours(_upright(picture, limits.sent_pixels))
        target = Format.JPEG if kind in _PHOTOGRAPHS and upright.mode == "RGB" else Format.PNG
        sent, size, target = _below(upright, target, profile, limits.sent_bytes)
        shown = f"{_SCALED} to {size[0]}x{size[1]}"
        notes = (*(note for note in notes if note != _SCALED), *([shown] if size != given else []))
        return Made(data=sent, media_type=target.media_type, width=size[0], height=size[1], notes=notes, given=given)


def _given(picture: Pillow.Image) -> tuple[int, int]:
    """Width and height once it is upright, before it is scaled."""
    width, height = picture.size
    return (height, width) if _orientation(picture) >= 5 else (width, height)


def _needs(picture: Pillow.Image, data: bytes, limits: InputLimits) -> Iterator[str]:
    """What has to be done, in words."""
    if _orientation(picture) != 1:
        yield "turned upright"
    if picture.mode not in {"RGB", "RGBA"}:
        yield f"{_COLOURS.get(picture.mode, picture.mode)} to RGB"
    elif data.startswith(b"\x89PNG") and data[24] == 16:
        yield "16 bits to 8"
    if picture.format not in _SENDABLE or getattr(picture, "is_animated", False):
        yield _FRAMES.get(picture.format or "", "first frame of an animation taken")
    width, height = picture.size
    if width * height > limits.sent_pixels:
        yield _SCALED
    elif len(data) >= limits.sent_bytes:
        yield f"made smaller than {limits.sent_bytes // 1_000_000} MB"


_FRAMES: Final = {
    "MPO": "first of several pictures taken",
    "GIF": "GIF to PNG, first frame",
    "BMP": "BMP to PNG",
    "TIFF": "TIFF to PNG, first page",
    "AVIF": "AVIF to PNG or JPEG",
}

_COLOURS: Final = {
    "1": "black and white", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "CMYK": "CMYK",
    "YCbCr": "YCbCr", "LAB": "Lab", "I;16": "16-bit grey", "I": "32-bit grey", "F": "floating-point grey",
}  # fmt: skip


def _orientation(picture: Pillow.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a camera's broken EXIF may raise anything and means nothing: it is upright
        return 1


def _upright(picture: Pillow.Image, sent_pixels: int) -> Pillow.Image:
    """The first frame, scaled to at most *sent_pixels* before it is turned."""
    width, height = picture.size
    scale = min(1.0, (sent_pixels / (width * height)) ** 0.5)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    if scale < 1.0:
        picture.draft(None, size)  # JPEG decodes to a half or a quarter by itself, with that much less memory
    orientation = _orientation(picture)
    picture.load()
    frame = picture.resize(size, Pillow.Resampling.LANCZOS) if picture.size != size and scale < 1.0 else picture
    return _turned(frame, orientation)


_TURNS: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


def _turned(frame: Pillow.Image, orientation: int) -> Pillow.Image:
    turn = _TURNS.get(orientation)
    return frame if turn is None else frame.transpose(turn)


def _colours(frame: Pillow.Image) -> Pillow.Image:
    """The same picture in RGB, or RGBA when it carries transparency."""
    if frame.mode.startswith("I") or frame.mode == "F":
        return _eight_bits(frame).convert("RGB")
    if frame.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in frame.info:
        return frame.convert("RGBA")
    if frame.mode == "RGB":
        return frame
    profile = frame.info.get("icc_profile")
    if frame.mode == "CMYK" and profile:
        converted = _through_profile(frame, profile)
        if converted is not None:
            return converted
    return frame.convert("RGB")


def _eight_bits(frame: Pillow.Image) -> Pillow.Image:
    if frame.mode == "F":
        return frame.convert("L")
    return frame.convert("I").point([value >> 8 for value in range(65536)], "L")


def _through_profile(frame: Pillow.Image, profile: bytes) -> Pillow.Image | None:
    """CMYK by its own profile, as its maker saw it; None when the profile is of no use."""
    try:
        converted = ImageCms.profileToProfile(
            frame, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is not None:
        converted.info.pop("icc_profile", None)
    return converted


def _below(
    frame: Pillow.Image, target: Format, profile: bytes | None, limit: int
) -> tuple[bytes, tuple[int, int], Format]:
    """Encodes below *limit* bytes: as JPEG where nothing is transparent, then smaller and smaller."""
    if frame.mode == "RGB" and frame.width * frame.height * 3 >= limit:
        target = Format.JPEG  # as PNG it might take ten seconds to learn that it is too large
    while True:
        data = encode(frame, target, profile)
        if len(data) < limit:
            return data, frame.size, target
        if target is Format.PNG and frame.mode == "RGB":
            target = Format.JPEG
            continue
        size = int(frame.width * _SHRINK), int(frame.height * _SHRINK)
        if not min(size):
            raise BrokenPicture(f"it cannot be made smaller than {limit} bytes")
        frame = frame.resize(size, Pillow.Resampling.LANCZOS)


def encode(frame: Pillow.Image, target: Format, profile: bytes | None = None) -> bytes:
    """PNG or JPEG bytes; every byte of metadata but the colour profile stays behind."""
    out = io.BytesIO()
    frame.info = {}
    if target is Format.JPEG:
        frame.save(out, "JPEG", quality=95, subsampling=0, icc_profile=profile)
    else:
        frame.save(out, "PNG", compress_level=4, icc_profile=profile)
    return out.getvalue()
