from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from pipeline.inspect import inspect
from pipeline.inspect.alpha import Alpha, is_transparent_enough, shortcoming, transparency, with_share
from tests.store import pictures

Encoder = Callable[[Pillow.Image], bytes]

ENCODERS: dict[str, Encoder] = {
    "png": lambda picture: pictures.encoded(picture, "PNG"),
    "jpeg 90": lambda picture: pictures.encoded(picture, "JPEG", quality=90),
    "jpeg 50": lambda picture: pictures.encoded(picture, "JPEG", quality=50),
    "webp": lambda picture: pictures.encoded(picture, "WEBP", quality=85),
    "blurred": lambda picture: pictures.encoded(picture.filter(ImageFilter.GaussianBlur(1)), "PNG"),
}


def seen(data: bytes) -> Alpha:
    return transparency(data, inspect(data))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("tile", [8, 10, 16, 21.33, 32, 50, 64])
@pytest.mark.parametrize("greys", [(255, 204), (255, 238), (255, 191), (153, 102), (255, 246)])
def test_a_painted_checkerboard_is_seen(tile: float, greys: tuple[int, int], encoder: str) -> None:
    picture = pictures.with_object(pictures.board((512, 448), tile, *greys, shift=(3, 5)))
    alpha = seen(ENCODERS[encoder](picture))
    assert alpha.checkerboard
    assert not is_transparent_enough(alpha)
    assert "checkerboard" in shortcoming(alpha)


def test_a_checkerboard_is_seen_beside_an_object_that_covers_two_sides() -> None:
    picture = pictures.board((512, 512), 16, 255, 204)
    ImageDraw.Draw(picture).rectangle((0, 200, 300, 512), fill=(20, 120, 60))
    assert seen(pictures.encoded(picture, "JPEG", quality=85)).checkerboard


def stripes(vertical: bool) -> Pillow.Image:
    picture = Pillow.new("RGB", (480, 480), (255,) * 3)
    draw = ImageDraw.Draw(picture)
    for at in range(0, 480, 32):
        draw.rectangle((at, 0, at + 15, 480) if vertical else (0, at, 480, at + 15), fill=(204,) * 3)
    return picture


def bricks() -> Pillow.Image:
    picture = Pillow.new("RGB", (480, 480), (200,) * 3)
    draw = ImageDraw.Draw(picture)
    for row in range(0, 480, 20):
        for at in range(-20 * (row // 20 % 2), 480, 40):
            draw.rectangle((at + 2, row + 2, at + 38, row + 18), fill=(170,) * 3)
    return picture


def coloured() -> Pillow.Image:
    picture = pictures.board((480, 480), 16, 0, 255).convert("L")
    return Pillow.merge("RGB", (picture.point(lambda value: 255 - value // 4), picture, picture))


def random_tiles() -> Pillow.Image:
    noise = Pillow.effect_noise((30, 30), 100).point(lambda value: 255 if value > 128 else 204)
    return noise.resize((480, 480), Pillow.Resampling.NEAREST).convert("RGB")


def framed() -> Pillow.Image:
    picture = Pillow.new("RGB", (480, 480), (250,) * 3)
    picture.paste(pictures.board((240, 240), 16, 255, 204), (120, 120))
    return picture


INNOCENT: dict[str, Callable[[], Pillow.Image]] = {
    "white": lambda: pictures.with_object(Pillow.new("RGB", (480, 480), (255,) * 3)),
    "gradient": lambda: Pillow.linear_gradient("L").resize((480, 480)).convert("RGB"),
    "noise": lambda: Pillow.effect_noise((480, 480), 30).convert("RGB"),
    "upright stripes": lambda: stripes(True),
    "level stripes": lambda: stripes(False),
    "bricks": bricks,
    "chess": lambda: pictures.board((480, 480), 60, 0, 255),
    "a coloured board": coloured,
    "random tiles": random_tiles,
    "a board as the object": framed,
    **{name: partial(Pillow.open, pictures.PHOTOS / name) for name in ("cup.jpg", "coins.jpg", "clock.jpg")},
}


@pytest.mark.parametrize("name", INNOCENT)
def test_no_checkerboard_is_seen_in_an_innocent_picture(name: str) -> None:
    assert not seen(pictures.encoded(INNOCENT[name](), "PNG")).checkerboard


def test_a_board_hidden_under_transparent_pixels_does_not_count() -> None:
    picture = pictures.board((480, 480), 16, 255, 204).convert("RGBA")
    picture.putalpha(0)
    alpha = seen(pictures.encoded(picture, "PNG"))
    assert is_transparent_enough(alpha)
    assert not alpha.checkerboard


def filled(colour: tuple[int, int, int, int], clear: tuple[int, int, int, int] | None = None) -> bytes:
    picture = Pillow.new("RGBA", (200, 200), colour)
    if clear:
        ImageDraw.Draw(picture).rectangle(clear, fill=(0, 0, 0, 0))
    return pictures.encoded(picture, "PNG")


@pytest.mark.parametrize(
    ("data", "enough"),
    [
        (pictures.png(mode="RGBA"), True),
        (pictures.webp(mode="RGBA"), True),
        (
            pictures.encoded(
                pictures.drawing(mode="P"), "PNG", transparency=pictures.drawing(mode="P").getpixel((0, 0))
            ),
            True,
        ),
        (filled((9, 9, 9, 255)), False),
        (filled((9, 9, 9, 254)), False),
        (filled((9, 9, 9, 255), (100, 100, 100, 100)), False),
        (filled((9, 9, 9, 255), (50, 50, 70, 70)), True),
        (filled((9, 9, 9, 255), (0, 0, 4, 4)), True),
        (filled((9, 9, 9, 60)), True),
        (pictures.png(), False),
        (pictures.jpeg(), False),
    ],
)
def test_transparent_enough_is_a_clear_corner_or_half_a_percent_of_the_pixels(data: bytes, enough: bool) -> None:
    alpha = seen(data)
    assert is_transparent_enough(alpha) is enough
    assert bool(shortcoming(alpha)) is not enough


def test_the_share_of_pixels_that_are_not_opaque_is_told() -> None:
    data = filled((9, 9, 9, 255), (0, 0, 199, 49))
    alpha = seen(data)
    assert alpha.share == pytest.approx(0.25)
    assert with_share(inspect(data), alpha).transparent_share == pytest.approx(0.25)
    assert seen(pictures.jpeg()).share == 0
