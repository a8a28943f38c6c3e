from pathlib import Path

import pytest
from PIL import Image as Pillow

from pipeline.domain.errors import InputFault
from pipeline.inputs import InputDesk, InputLimits
from pipeline.inspect import inspect
from tests.store import pictures
from tests.store.handing_in import Write, opened, prepared


def mask(width: int = 24, height: int = 16) -> bytes:
    picture = Pillow.new("RGBA", (width, height), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (2, 2, width // 2, height // 2))
    return pictures.encoded(picture, "PNG")


def test_a_mask_that_is_fine_is_sent_as_it_is(inputs: InputDesk, write: Write) -> None:
    item = prepared(inputs, write("mask.png", mask()), "mask")
    assert item.path.read_bytes() == mask()
    assert (item.role, item.notes) == ("mask", ())


@pytest.mark.parametrize(
    "data",
    [
        pictures.png(mode="L"),
        pictures.png(),
        pictures.jpeg(),
        pictures.encoded(pictures.drawing().convert("RGBA"), "PNG"),
    ],
)
def test_a_mask_in_which_nothing_is_transparent_is_told_with_what_to_do(
    inputs: InputDesk, write: Write, data: bytes
) -> None:
    source = write("mask.png", data)
    with pytest.raises(InputFault, match=r"edits? nothing.*transparent"):
        prepared(inputs, source, "mask")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("mask.webp", pictures.webp(mode="RGBA", lossless=True)),
        (
            "palette.png",
            pictures.encoded(
                pictures.drawing(mode="P"), "PNG", transparency=pictures.drawing(mode="P").getpixel((0, 0))
            ),
        ),
        ("grey.png", pictures.encoded(pictures.drawing(mode="RGBA").convert("LA"), "PNG")),
    ],
)
def test_a_mask_of_another_kind_becomes_a_png_with_alpha(
    inputs: InputDesk, write: Write, name: str, data: bytes
) -> None:
    item = prepared(inputs, write(name, data), "mask")
    assert item.media_type == "image/png"
    assert opened(item).mode == "RGBA"
    assert opened(item).getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert item.notes


def test_a_mask_of_too_many_bytes_loses_its_colours_but_not_its_alpha(tmp_path: Path, write: Write) -> None:
    (tmp_path / "inputs").mkdir()
    desk = InputDesk(tmp_path / "inputs", InputLimits(mask_bytes=10_000))
    picture = Pillow.effect_noise((100, 100), 80).convert("RGBA")
    picture.putalpha(Pillow.linear_gradient("L").resize((100, 100)))
    item = prepared(desk, write("mask.png", pictures.encoded(picture, "PNG")), "mask")
    assert item.size < 10_000
    assert opened(item).getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    assert item.notes == ("colours left out",)
    noisy = Pillow.new("RGBA", (200, 200))
    noisy.putalpha(Pillow.effect_noise((200, 200), 80))
    with pytest.raises(InputFault, match="a mask is below"):
        prepared(desk, write("noisy.png", pictures.encoded(noisy, "PNG")), "mask")


def test_a_mask_goes_last_and_fits_the_first_image(inputs: InputDesk, write: Write) -> None:
    first, second = (
        prepared(inputs, write("a.png", pictures.png())),
        prepared(inputs, write("b.png", pictures.png(9, 9))),
    )
    fitting = prepared(inputs, write("mask.png", mask()), "mask")
    assert inputs.match((first, second), fitting) == (first, second, fitting)
    with pytest.raises(InputFault, match="24x16 pixels, the first image 9x9"):
        inputs.match((second, first), fitting)


def test_a_mask_made_for_the_photograph_as_it_lay_is_told_to_turn(inputs: InputDesk, write: Write) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    first = prepared(inputs, write("a.jpg", pictures.encoded(pictures.drawing(), "JPEG", exif=exif)))
    with pytest.raises(InputFault, match="turn the mask"):
        inputs.match((first,), prepared(inputs, write("mask.png", mask()), "mask"))


def test_a_mask_is_scaled_along_with_its_image(tmp_path: Path, write: Write) -> None:
    (tmp_path / "inputs").mkdir()
    desk = InputDesk(tmp_path / "inputs", InputLimits(sent_pixels=600))
    first = prepared(desk, write("a.png", pictures.png(60, 40)))
    sent = desk.match((first,), prepared(desk, write("mask.png", mask(60, 40)), "mask"))[1]
    assert (sent.width, sent.height) == (first.width, first.height) == opened(sent).size
    assert set(opened(sent).getchannel("A").tobytes()) == {0, 255}
    assert "scaled down" in sent.notes[-1]
    assert inspect(sent.path.read_bytes()).has_alpha
