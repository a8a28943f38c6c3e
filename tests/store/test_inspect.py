import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.image import Format
from pipeline.inspect import MAX_SIDE, BrokenPicture, inspect
from pipeline.inspect.decode import decode_check
from tests.store import pictures


@pytest.mark.parametrize(
    ("data", "kind", "size", "alpha"),
    [
        (pictures.png(), Format.PNG, (24, 16), False),
        (pictures.png(mode="RGBA"), Format.PNG, (24, 16), True),
        (pictures.png(mode="LA"), Format.PNG, (24, 16), True),
        (pictures.png(7, 9, "P"), Format.PNG, (7, 9), False),
        (pictures.png(mode="1"), Format.PNG, (24, 16), False),
        (pictures.encoded(pictures.drawing(mode="P"), "PNG", transparency=0), Format.PNG, (24, 16), True),
        (pictures.jpeg(31, 17), Format.JPEG, (31, 17), False),
        (pictures.progressive(), Format.JPEG, (40, 40), False),
        (pictures.webp(33, 21), Format.WEBP, (33, 21), False),
        (pictures.webp(33, 21, "RGBA"), Format.WEBP, (33, 21), True),
        (pictures.webp(33, 21, "RGBA", lossless=True), Format.WEBP, (33, 21), True),
        (pictures.webp(33, 21, lossless=True), Format.WEBP, (33, 21), False),
        (pictures.gif(12, 13), Format.GIF, (12, 13), False),
    ],
)
def test_format_size_and_alpha_are_told_from_the_bytes(
    data: bytes, kind: Format, size: tuple[int, int], alpha: bool
) -> None:
    facts = inspect(data)
    assert (facts.format, (facts.width, facts.height), facts.has_alpha) == (kind, size, alpha)
    decode_check(data, facts)


@pytest.mark.parametrize("data", [pictures.png(), memoryview(pictures.png()), bytearray(pictures.png())])
def test_any_kind_of_buffer_is_taken(data: bytes | memoryview | bytearray) -> None:
    assert inspect(data).width == 24


@pytest.mark.parametrize("name", pictures.KINDS)
def test_a_picture_cut_anywhere_never_passes(name: str) -> None:
    data = pictures.KINDS[name]()
    inspect(data)
    for length in range(len(data)):
        with pytest.raises(BrokenPicture):
            inspect(data[:length])


@pytest.mark.parametrize("name", ["png", "png with alpha", "png with a palette", "animated png"])
def test_a_png_with_any_bit_flipped_never_passes(name: str) -> None:
    data = pictures.KINDS[name]()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(BrokenPicture):
            inspect(damaged)


@pytest.mark.parametrize("name", sorted(pictures.KINDS))
def test_a_flipped_bit_gives_a_picture_or_a_line_and_never_another_error(name: str) -> None:
    data = pictures.KINDS[name]()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        told = line(bytes(damaged))
        assert told is None or "\n" not in told


def line(data: bytes) -> str | None:
    """What is told about bytes that are no picture; None when they are one that decodes."""
    try:
        decode_check(data, inspect(data))
    except BrokenPicture as error:
        return str(error)
    return None


@given(st.binary(max_size=300), st.sampled_from(sorted(pictures.KINDS)), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_after_a_good_beginning_give_a_line(junk: bytes, name: str, length: int) -> None:
    data = pictures.KINDS[name]()
    assert line(data[: min(length, len(data) - 1)] + junk) != ""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no bytes at all"),
        (b"\0" * 600, "begin with zeros"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "HTML"),
        (b"\n\n  <html>", "HTML"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg></svg>", "SVG"),
        (b'{"error": {"message": "no"}}', "JSON"),
        (b"[]", "JSON"),
        (b"upstream connect error", "text"),
        (b"%PDF-1.7", "PDF"),
        (b"BM\x00\x00", "BMP"),
        (b"II*\x00", "TIFF"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00", "AVIF"),
        (b"\x00\x00\x00\x1cftypheic\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x1cftypisom\x00\x00", "MP4"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00", "no WebP"),
        (b"\x89PN", "cut after 3 bytes"),
        (bytes(range(1, 60)), "unknown bytes"),
    ],
)
def test_what_came_instead_of_a_picture_is_named(data: bytes, told: str) -> None:
    with pytest.raises(BrokenPicture, match=told):
        inspect(data)


@pytest.mark.parametrize(
    ("width", "height"), [(50_000, 50_000), (9000, 9000), (MAX_SIDE + 1, 1), (0, 5), (5, 0), (2**31 - 1, 1)]
)
def test_a_picture_out_of_bounds_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(BrokenPicture, match="pixels"):
        inspect(pictures.png_claiming(width, height))


def test_the_bound_can_be_another() -> None:
    with pytest.raises(BrokenPicture):
        inspect(pictures.png(), max_pixels=24 * 16 - 1)
    assert inspect(pictures.png(), max_pixels=24 * 16).width == 24


@pytest.mark.parametrize("make", [pictures.png, pictures.jpeg, pictures.webp, pictures.gif])
def test_bytes_after_the_end_do_no_harm_and_are_noted(make: Callable[[], bytes]) -> None:
    data = make()
    facts = inspect(data + b"<script>")
    assert facts.notes == ("8 bytes after the end",)
    assert facts == inspect(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_an_animation_is_noted(kind: str) -> None:
    assert "animated" in inspect(pictures.animated(kind)).notes[0]


def test_a_png_without_image_data_header_or_palette_is_broken() -> None:
    start, header = b"\x89PNG\r\n\x1a\n", pictures.chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0))
    data, end = pictures.chunk(b"IDAT", zlib.compress(bytes(6))), pictures.chunk(b"IEND", b"")
    for whole in (start + header + end, start + data + end, start + header + data + end):
        with pytest.raises(BrokenPicture):
            inspect(whole)


def test_a_png_whose_pixels_end_early_passes_by_structure_and_fails_to_decode() -> None:
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    short = zlib.compress(bytes(500))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        pictures.chunk(*pair) for pair in ((b"IHDR", header), (b"IDAT", short), (b"IEND", b""))
    )
    facts = inspect(data)
    with pytest.raises(BrokenPicture, match="cannot be decoded"):
        decode_check(data, facts)


def test_webp_data_destroyed_inside_a_whole_file_fails_to_decode() -> None:
    data = bytearray(pictures.webp(200, 200, lossless=True))
    data[40:-8] = b"\xff" * len(data[40:-8])
    with pytest.raises(BrokenPicture):
        decode_check(bytes(data), inspect(data))


def test_a_jpeg_without_its_tables_fails_to_decode() -> None:
    bare = pictures.jpeg()
    while (at := bare.find(b"\xff\xdb")) >= 0:
        bare = bare[:at] + bare[at + 2 + int.from_bytes(bare[at + 2 : at + 4], "big") :]
    with pytest.raises(BrokenPicture):
        decode_check(bare, inspect(bare))


def test_a_decoder_never_sees_other_formats() -> None:
    with pytest.raises(BrokenPicture):
        decode_check(pictures.encoded(pictures.drawing(), "BMP"), inspect(pictures.png()))


def test_a_thumbnail_inside_a_jpeg_does_not_end_it() -> None:
    thumbnail = pictures.jpeg(8, 8)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    data = pictures.jpeg()
    with_thumbnail = data[:2] + segment + data[2:]
    assert inspect(with_thumbnail).width == 24
    with pytest.raises(BrokenPicture):
        inspect(data[:2] + segment)
