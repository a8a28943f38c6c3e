import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Pillow

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import InputFault
from pipeline.domain.image import Image
from pipeline.inputs import InputDesk, InputLimits
from pipeline.inspect import inspect
from pipeline.ports import Inputs
from tests.store import pictures
from tests.store.handing_in import Write, opened, prepared

PHOTO = str(pictures.PHOTOS / "cup.jpg")


def photo(**options: object) -> bytes:
    with Pillow.open(PHOTO) as picture:
        return pictures.encoded(picture.resize((60, 40)), "JPEG", **options)


def test_the_desk_is_what_the_plan_and_the_execution_ask_for(inputs: InputDesk) -> None:
    asked: Inputs = inputs
    assert asked.digest(PHOTO) == digest_of(Path(PHOTO).read_bytes())


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("missing.png", None, "there is no such file"),
        ("empty.png", b"", "empty"),
        ("page.png", b"<html><body>404</body></html>", "HTML"),
        ("drawing.svg", b"<svg></svg>", "SVG"),
        ("cut.png", pictures.png()[:-20], "cut"),
        ("cut.jpg", pictures.jpeg()[:-20], "cut"),
        ("cut.webp", pictures.webp()[:-20], "cut"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        ("noise.png", bytes(range(256)), "unknown bytes"),
        ("bomb.png", pictures.png_claiming(40_000, 40_000), "pixels"),
        ("wide.bmp", pictures.encoded(Pillow.new("1", (20_000, 2)), "BMP"), "BMP"),
    ],
)
def test_an_input_that_cannot_be_used_is_told_in_one_line(
    inputs: InputDesk, tmp_path: Path, name: str, data: bytes | None, told: str
) -> None:
    source = str(tmp_path / name)
    if data is not None:
        Path(source).write_bytes(data)
    for _ in range(2):
        with pytest.raises(InputFault, match=told) as fault:
            inputs.digest(source)
        assert str(fault.value).startswith(f"{source}: ")
        assert "\n" not in str(fault.value)


def test_a_folder_a_pipe_and_a_huge_file_are_told(inputs: InputDesk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**12)
    for name, told in (("inputs", "a folder"), ("pipe", "no regular file"), ("huge.png", "1000000.0 MB")):
        with pytest.raises(InputFault, match=told):
            inputs.digest(str(tmp_path / name))
    with pytest.raises(InputFault):
        inputs.digest(str(tmp_path / ("n" * 300)))
    with pytest.raises(InputFault):
        inputs.digest(str(tmp_path / "nul\0byte"))


def test_what_is_fine_already_is_sent_byte_for_byte(inputs: InputDesk, write: Write) -> None:
    for name, data, media in (
        ("a.png", pictures.png(), "image/png"),
        ("b.png", pictures.png(mode="RGBA"), "image/png"),
        ("c.jpg", pictures.jpeg(), "image/jpeg"),
        ("d.webp", pictures.webp(), "image/webp"),
    ):
        item = prepared(inputs, write(name, data))
        assert item.path.read_bytes() == data
        assert (item.media_type, item.notes, item.size) == (media, (), len(data))
        assert (item.width, item.height, item.digest) == (24, 16, digest_of(data))


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_turned_photograph_is_brought_upright(inputs: InputDesk, write: Write, turn: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = turn
    upright = Pillow.new("RGB", (40, 60), "white")
    upright.paste((255, 0, 0), (0, 0, 20, 20))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[turn]
    stored = upright.transpose(Pillow.Transpose(undo))
    item = prepared(inputs, write(f"{turn}.jpg", pictures.encoded(stored, "JPEG", exif=exif, quality=95)))
    picture = opened(item)
    assert picture.size == (40, 60) == (item.width, item.height)
    assert picture.getexif().get(0x0112, 1) == 1
    red, green, _ = picture.getpixel((8, 8))  # type: ignore[misc]
    assert red > 200
    assert green < 80
    assert "turned upright" in item.notes


@pytest.mark.parametrize(
    ("name", "make", "note"),
    [
        ("cmyk.jpg", lambda: pictures.encoded(pictures.drawing(mode="CMYK"), "JPEG"), "CMYK"),
        ("grey.jpg", lambda: pictures.encoded(pictures.drawing(mode="L"), "JPEG"), "grey"),
        ("grey.png", lambda: pictures.png(mode="L"), "grey"),
        ("grey-alpha.png", lambda: pictures.png(mode="LA"), "grey"),
        ("palette.png", lambda: pictures.png(mode="P"), "palette"),
        ("bits.png", lambda: pictures.png(mode="1"), "black and white"),
        ("deep.png", lambda: pictures.encoded(Pillow.new("I;16", (24, 16), 0x8000), "PNG"), "16-bit"),
        ("old.gif", pictures.gif, "GIF"),
        ("moving.gif", lambda: pictures.animated("GIF"), "first frame"),
        ("moving.webp", lambda: pictures.animated("WEBP"), "first frame"),
        ("moving.png", lambda: pictures.animated("PNG"), "first frame"),
        ("scan.tiff", lambda: pictures.encoded(pictures.drawing(), "TIFF"), "TIFF"),
        ("old.bmp", lambda: pictures.encoded(pictures.drawing(), "BMP"), "BMP"),
        ("new.avif", lambda: pictures.encoded(pictures.drawing(), "AVIF"), "AVIF"),
        ("twin.jpg", lambda: pictures.animated("MPO"), "first of several"),
    ],
)
def test_what_hosts_do_not_take_is_brought_into_a_form_they_take(
    inputs: InputDesk, write: Write, name: str, make: Callable[[], bytes], note: str
) -> None:
    item = prepared(inputs, write(name, make()))
    assert any(note in said for said in item.notes), item.notes
    facts = inspect(item.path.read_bytes())
    assert facts.format.media_type == item.media_type
    assert item.media_type in {"image/png", "image/jpeg"}
    assert not facts.notes
    assert (facts.width, facts.height) == (item.width, item.height) == (24, 16)
    assert opened(item).mode in {"RGB", "RGBA"}
    assert item.filename.isascii()
    assert item.filename.endswith(facts.format.extension)


def test_sixteen_bit_grey_keeps_its_brightness(inputs: InputDesk, write: Write) -> None:
    item = prepared(inputs, write("deep.png", pictures.encoded(Pillow.new("I;16", (9, 9), 0x8000), "PNG")))
    assert opened(item).getpixel((4, 4)) == (128, 128, 128)


def test_sixteen_bit_colour_becomes_eight(inputs: InputDesk, write: Write) -> None:
    import zlib  # noqa: PLC0415 - for one hand-made picture

    rows = b"".join(b"\0" + struct.pack(">HHH", 0x8000, 0x4000, 0) * 3 for _ in range(3))
    header = struct.pack(">IIBBBBB", 3, 3, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    item = prepared(
        inputs, write("deep.png", b"\x89PNG\r\n\x1a\n" + b"".join(pictures.chunk(*pair) for pair in chunks))
    )
    assert item.notes == ("16 bits to 8",)
    assert item.path.read_bytes()[24] == 8


def test_transparency_survives(inputs: InputDesk, write: Write) -> None:
    palette = pictures.drawing(mode="P")
    clear = palette.getpixel((0, 0))
    item = prepared(inputs, write("icon.png", pictures.encoded(palette, "PNG", transparency=clear)))
    picture = opened(item)
    assert picture.mode == "RGBA"
    assert picture.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_metadata_stays_at_home_when_a_picture_is_made_anew(inputs: InputDesk, write: Write) -> None:
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, "taken at home"
    item = prepared(inputs, write("a.jpg", photo(exif=exif)))
    assert b"taken at home" not in item.path.read_bytes()


def test_a_picture_of_too_many_pixels_is_scaled_down(tmp_path: Path, write: Write) -> None:
    desk = InputDesk(tmp_path / "inputs", InputLimits(sent_pixels=1000))
    (tmp_path / "inputs").mkdir()
    for name, data in (("a.jpg", photo()), ("b.png", pictures.png(60, 40)), ("c.webp", pictures.webp(60, 40))):
        item = prepared(desk, write(name, data))
        assert item.width * item.height <= 1000
        assert item.width / item.height == pytest.approx(1.5, rel=0.05)
        assert item.notes == (f"scaled down to {item.width}x{item.height}",)


def test_a_picture_of_too_many_bytes_is_made_smaller(tmp_path: Path, write: Write) -> None:
    (tmp_path / "inputs").mkdir()
    desk = InputDesk(tmp_path / "inputs", InputLimits(sent_bytes=20_000))
    noise = Pillow.effect_noise((200, 200), 80)
    photograph = prepared(desk, write("a.png", pictures.encoded(noise.convert("RGB"), "PNG")))
    assert photograph.size < 20_000
    see_through = noise.convert("RGBA")
    see_through.putalpha(noise)
    icon = prepared(desk, write("b.png", pictures.encoded(see_through, "PNG")))
    assert icon.size < 20_000
    assert icon.media_type == "image/png"
    assert icon.width < 200
    assert opened(icon).mode == "RGBA"


def test_a_file_that_changed_after_it_was_hashed_is_told_and_never_sent(inputs: InputDesk, write: Write) -> None:
    source = write("a.png", pictures.png(5, 5))
    digest = inputs.digest(source)
    write("a.png", pictures.png(6, 6))
    assert inputs.digest(source) == digest
    with pytest.raises(InputFault, match="changed while this run"):
        inputs.prepare(source, "image", digest)
    Path(source).unlink()
    with pytest.raises(InputFault):
        inputs.prepare(source, "image", digest)


def test_what_was_copied_is_used_whatever_happens_to_the_file_then(inputs: InputDesk, write: Write) -> None:
    source = write("a.png", pictures.png(5, 5))
    first = prepared(inputs, source)
    write("a.png", b"overwritten")
    assert inputs.prepare(source, "image", first.digest) == first
    assert first.path.read_bytes() == pictures.png(5, 5)
    assert first.path != Path(source)


def test_what_was_made_is_found_again_by_the_next_run(inputs: InputDesk, tmp_path: Path, write: Write) -> None:
    source = write("a.jpg", pictures.encoded(pictures.drawing(mode="CMYK"), "JPEG"))
    first = prepared(inputs, source)
    before = first.path.stat()
    again = prepared(InputDesk(tmp_path / "inputs"), source)
    assert again == first
    assert (again.path.stat().st_ino, again.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("pattern", ["*.json", "*.image-v1-*[!n]", "*"])
def test_a_damaged_cache_is_made_anew(inputs: InputDesk, tmp_path: Path, write: Write, pattern: str) -> None:
    source = write("a.jpg", pictures.encoded(pictures.drawing(mode="CMYK"), "JPEG"))
    first = prepared(inputs, source).path.read_bytes()
    for path in (tmp_path / "inputs").glob(pattern):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    assert prepared(InputDesk(tmp_path / "inputs"), source).path.read_bytes() == first


def test_a_url_answers_once_it_was_fetched(inputs: InputDesk) -> None:
    url = "https://shop.example/photo.jpg?token=secret"
    with pytest.raises(InputFault, match="not fetched"):
        inputs.digest(url)
    inputs.add_fetched(url, pictures.jpeg())
    item = inputs.prepare(url, "image", inputs.digest(url))
    assert item.path.read_bytes() == pictures.jpeg()
    assert "secret" not in item.filename


@pytest.mark.parametrize("data", [b"", b"<html></html>", pictures.png()[:-1]])
def test_a_url_that_brought_no_picture_is_a_fault_of_its_own_assets(inputs: InputDesk, data: bytes) -> None:
    inputs.add_fetched("https://shop.example/x", data)
    with pytest.raises(InputFault, match=r"^https://shop\.example/x: "):
        inputs.digest("https://shop.example/x")


def test_a_url_that_could_not_be_fetched_says_why(inputs: InputDesk) -> None:
    inputs.add_failed("https://shop.example/x", "404")
    with pytest.raises(InputFault, match=r"^https://shop\.example/x: 404$"):
        inputs.digest("https://shop.example/x")


def kept(tmp_path: Path, data: bytes) -> tuple[Image, Path]:
    path = tmp_path / "kept"
    path.write_bytes(data)
    return Image(digest=digest_of(data), size=len(data), facts=inspect(data)), path


def test_a_parents_picture_goes_along_without_a_copy(inputs: InputDesk, tmp_path: Path) -> None:
    image, path = kept(tmp_path, pictures.webp())
    item = inputs.prepare_picture(image, path)
    assert (item.path, item.media_type, item.digest) == (path, "image/webp", image.digest)
    assert not list((tmp_path / "inputs").iterdir())
    assert inputs.prepare_picture(image, path) is item


@pytest.mark.parametrize("data", [pictures.gif(), pictures.png(mode="L"), pictures.animated("WEBP")])
def test_a_parents_picture_that_hosts_do_not_take_is_made_sendable(
    inputs: InputDesk, tmp_path: Path, data: bytes
) -> None:
    item = inputs.prepare_picture(*kept(tmp_path, data))
    assert item.media_type == "image/png"
    assert opened(item).mode in {"RGB", "RGBA"}


def test_a_tampered_parent_never_leaks_into_a_paid_edit(inputs: InputDesk, tmp_path: Path) -> None:
    image, path = kept(tmp_path, pictures.png())
    path.write_bytes(pictures.png()[:-1] + b"x")
    with pytest.raises(InputFault, match="damaged"):
        inputs.prepare_picture(image, path)


def test_forgetting_removes_only_what_nobody_keeps(inputs: InputDesk, tmp_path: Path, write: Write) -> None:
    one, two = prepared(inputs, write("a.gif", pictures.gif())), prepared(inputs, write("b.gif", pictures.gif(5, 5)))
    assert inputs.forget(frozenset({one.digest})) == 3
    assert one.path.exists()
    assert not two.path.exists()
    assert inputs.forget(frozenset[Digest]()) == 3
    assert not list((tmp_path / "inputs").iterdir())
