"""The only door through which bytes meet a decoder: sizes checked first, formats listed, one picture at a time."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image as Pillow
from PIL import WebPImagePlugin  # noqa: F401 - registers its decoder; Pillow would load forty others to find it

from pipeline.domain.errors import PipelineError
from pipeline.domain.image import Facts
from pipeline.inspect.bounds import MAX_SIDE, BrokenPicture

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
"""What is decoded at all of what hosts send; Pillow's other forty decoders never see a byte of it."""

MAX_DECODED: Final = 89_000_000
"""Pixels of a person's own photograph that are still decoded; Pillow itself warns from 89.5 million on."""

_DECODING: Final = threading.Lock()

# Set once and for good: warnings.catch_warnings is not safe with threads. Only Pillow gives this warning.
warnings.filterwarnings("error", category=Pillow.DecompressionBombWarning)


@contextmanager
def decoding(
    source: bytes | memoryview | Path, *, formats: tuple[str, ...] = FORMATS, max_pixels: int = MAX_DECODED
) -> Iterator[Pillow.Image]:
    """Opens a picture whose pixels may then be asked for; another thread that wants one waits until this one is done.

    So memory holds one decoded picture (4 bytes a pixel, some operations twice that), whatever the concurrency.
    Raises BrokenPicture for anything a decoder says about hostile bytes, also inside the ``with``.
    """
    file = source if isinstance(source, Path) else io.BytesIO(source)
    with _DECODING:
        try:
            with Pillow.open(file, formats=formats) as picture:
                width, height = picture.size
                if width * height > max_pixels or max(width, height) > MAX_SIDE:
                    raise BrokenPicture(f"{width}x{height} pixels are more than are decoded")
                yield picture
        except (PipelineError, MemoryError):
            raise
        except Exception as error:  # a decoder fed hostile bytes may raise anything; all of it means the same
            raise BrokenPicture(f"it cannot be decoded: {_line(error)}") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, OSError) and "BytesIO" not in text else type(error).__name__


def decode_check(data: bytes | memoryview, facts: Facts) -> None:
    """Decodes every pixel and drops them: for JPEG and WebP, whose compressed data has no checksum. Blocks, off the
    hot path (about 15 ms a megapixel).

    Raises BrokenPicture when the picture does not decode whole or is not of the size its structure says.
    """
    with decoding(data) as picture:
        picture.load()
        if picture.size != (facts.width, facts.height):
            shown = "x".join(map(str, picture.size))
            raise BrokenPicture(f"it decodes to {shown}, its header says {facts.width}x{facts.height}")
