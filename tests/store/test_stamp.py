"""The XMP stamp: read by others, invisible in the pixels, and off again without a trace."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image as Pillow

from pipeline.store.stamp import MOST, stamped, unstamped


def _saved(mode: str, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = Pillow.radial_gradient("L").resize((61, 37)).convert(mode)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _pictures() -> Iterator[tuple[str, bytes]]:
    exif = Pillow.Exif()
    exif[0x010E] = "described"
    yield "png", _saved("RGBA", "PNG")
    yield "png with a profile", _saved("RGB", "PNG", icc_profile=b"x" * 501)
    yield "jpeg", _saved("RGB", "JPEG")
    yield "jpeg with exif", _saved("RGB", "JPEG", exif=exif.tobytes())
    yield "webp lossy", _saved("RGB", "WEBP")
    yield "webp lossless", _saved("RGB", "WEBP", lossless=True)
    yield "webp lossless with alpha", _saved("RGBA", "WEBP", lossless=True)
    yield "webp lossy with alpha", _saved("RGBA", "WEBP")
    yield "webp with exif", _saved("RGB", "WEBP", exif=exif.tobytes())


PICTURES = list(_pictures())


@pytest.mark.parametrize(("name", "data"), PICTURES, ids=[name for name, _ in PICTURES])
def test_a_stamp_is_read_by_others_and_leaves_pixels_and_everything_else_alone(name: str, data: bytes) -> None:
    copy = stamped(data)
    assert 0 < len(copy) - len(data) <= MOST
    before, after = Pillow.open(io.BytesIO(data)), Pillow.open(io.BytesIO(copy))
    assert (before.mode, before.size) == (after.mode, after.size)
    assert before.tobytes() == after.tobytes()
    xmp = after.info.get("xmp") or after.info["XML:com.adobe.xmp"]
    assert "digitalsourcetype/trainedAlgorithmicMedia" in (xmp if isinstance(xmp, str) else xmp.decode())
    assert before.getexif() == after.getexif()
    assert before.info.get("icc_profile") == after.info.get("icc_profile")


@pytest.mark.parametrize(("name", "data"), PICTURES, ids=[name for name, _ in PICTURES])
def test_a_stamp_comes_off_without_a_trace(name: str, data: bytes) -> None:
    assert unstamped(stamped(data)) == data
    assert unstamped(data) == data
    assert stamped(stamped(data)) == stamped(data)


def test_a_picture_with_xmp_of_its_own_keeps_it_and_gets_no_second() -> None:
    own = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    for data in (_saved("RGB", "JPEG", xmp=own), _saved("RGB", "WEBP", xmp=own)):
        assert stamped(data) == data == unstamped(data)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", _saved("P", "GIF")])
def test_what_cannot_be_stamped_is_left_as_it_is(data: bytes) -> None:
    assert stamped(data) == data == unstamped(data)
