"""The pictures themselves."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from pipeline.domain.digest import digest_of
from pipeline.gateway.editing import fill_mask
from pipeline.gateway.inputs import Input, decode
from pipeline.gateway.order import Order
from pipeline.gateway.palettes import PALETTES
from pipeline.gateway.profiles import PROFILES
from pipeline.gateway.reading import Upload
from pipeline.gateway.sketch import draw
from tests.gateway.peers import encoded, opened

LENIENT = PROFILES["lenient"]


def order(**given: object) -> Order:
    values: dict[str, object] = {
        "route": "generations",
        "model": "gpt-image-2",
        "prompt": "a mug",
        "width": 64,
        "height": 64,
    }
    return Order(**{**values, **given})  # type: ignore[arg-type]


def entry(data: bytes) -> Input:
    upload = Upload(name="image", filename="a.png", media_type="image/png", data=data, digest=digest_of(data))
    return decode(upload, "image", LENIENT)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    image = Image.effect_noise((width, height), 80).convert("RGB")
    if mode == "RGBA":
        image.putalpha(Image.effect_noise((width, height), 200))
    return image


def distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp", "gif"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 64), (97, 131), (300, 100), (640, 448)])
def test_a_picture_has_exactly_the_size_and_format_asked(width: int, height: int, output_format: str) -> None:
    drawn = draw(order(width=width, height=height, output_format=output_format), 0, 0)
    image = opened(drawn.data)
    assert (image.size, image.format) == ((width, height), output_format.upper())
    assert drawn.media_type == f"image/{output_format}"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 160), st.integers(1, 160), st.text(min_size=1, max_size=80), st.sampled_from(["low", "high"]))
def test_any_prompt_at_any_size_gives_a_whole_picture(width: int, height: int, prompt: str, quality: str) -> None:
    prompt = prompt.encode("utf-8", "replace").decode()
    assert opened(draw(order(width=width, height=height, prompt=prompt, quality=quality), 0, 0).data).size == (
        width,
        height,
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "一只可爱的猫坐在月球上",
        "قطة لطيفة تجلس على القمر",
        "😀🚀 👩‍👩‍👧",
        "x" * 32_000,
        "a\x00b\x1b[31m\u202e c",
        "\ufffd" * 40,
        "word " * 6_000,
    ],
)
def test_no_script_breaks_the_drawing(prompt: str) -> None:
    image = opened(draw(order(width=256, height=256, prompt=prompt), 0, 0).data)
    assert image.size == (256, 256)
    assert image.info["Prompt"].startswith(prompt[:6].replace("\x00", ""[:0]) if "\x00" not in prompt else "a")


def test_equal_orders_give_equal_bytes_and_everything_else_other_ones() -> None:
    same = draw(order(), 0, 0).data
    assert draw(order(), 0, 0).data == same
    others = [
        draw(order(), 1, 0).data,
        draw(order(), 0, 1).data,
        draw(order(first=2), 0, 0).data,
        draw(order(prompt="a mug!"), 0, 0).data,
        draw(order(quality="high"), 0, 0).data,
        draw(order(model="gpt-image-1.5"), 0, 0).data,
        draw(order(other=(("seed", 7),)), 0, 0).data,
        draw(order(route="edits", inputs=(entry(same),)), 0, 0).data,
    ]
    assert len({same, *others}) == len(others) + 1


def test_a_transparent_background_is_really_transparent_and_has_a_shape_on_it() -> None:
    for output_format in ("png", "webp"):
        image = opened(
            draw(order(width=256, height=256, background="transparent", output_format=output_format), 0, 0).data
        )
        alpha = image.getchannel("A")
        assert alpha.getpixel((0, 0)) == 0
        assert alpha.getpixel((255, 0)) == 0
        share = alpha.histogram()[255] / (256 * 256)
        assert 0.05 < share < 0.8


def test_the_prompt_is_written_on_the_picture() -> None:
    """Two prompts of one scene differ in their band alone when nothing else of them decides the drawing."""
    picture = opened(draw(order(width=512, height=512, prompt="iiiiiiii"), 0, 0).data)
    band = picture.crop((0, 440, 512, 512)).convert("L")
    dark = sum(band.histogram()[:110])
    assert 100 < dark < 0.3 * 512 * 72


def test_compression_makes_jpeg_and_webp_smaller() -> None:
    for output_format in ("jpeg", "webp"):
        sizes = [
            len(draw(order(width=256, height=256, output_format=output_format, compression=level), 0, 0).data)
            for level in (5, 60, 100)
        ]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]


def test_quality_can_be_seen() -> None:
    low, high = (opened(draw(order(width=256, height=256, quality=quality), 0, 0).data) for quality in ("low", "high"))
    assert ImageChops.difference(low, high).getbbox() is not None


def test_an_edit_shows_its_input() -> None:
    source = noise(200, 200)
    edited = opened(draw(order(route="edits", width=200, height=200, inputs=(entry(encoded(source)),)), 0, 0).data)
    kept = (0, 30, 200, 130)
    apart = ImageChops.difference(edited.crop(kept), source.crop(kept)).convert("L").histogram()
    assert sum(value * count for value, count in enumerate(apart)) / sum(apart) < 30
    assert edited.tobytes() != source.tobytes()


def test_an_edit_of_an_edit_counts_its_steps() -> None:
    first = draw(order(route="edits", width=128, height=128, inputs=(entry(encoded(noise(128, 128))),)), 0, 0).data
    second = draw(order(route="edits", width=128, height=128, inputs=(entry(first),)), 0, 0).data
    assert (opened(first).info["Edits"], opened(second).info["Edits"]) == ("1", "2")


def test_several_inputs_are_all_on_the_picture() -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]
    inputs = tuple(entry(encoded(Image.new("RGB", (64, 64), colour))) for colour in colours)
    image = opened(draw(order(route="edits", width=512, height=512, inputs=inputs), 0, 0).data).convert("RGB")
    pixels = image.getcolors(512 * 512)
    assert pixels is not None
    for colour in colours:
        near = sum(count for count, seen in pixels if isinstance(seen, tuple) and distance(seen, colour) < 40)
        assert near > 500


def test_sixteen_inputs_fit() -> None:
    inputs = tuple(entry(encoded(Image.new("RGB", (8, 8), (n * 15, 0, 0)))) for n in range(16))
    for side in (1, 16, 64, 256):
        assert opened(draw(order(route="edits", width=side, height=side, inputs=inputs), 0, 0).data).size == (
            side,
            side,
        )


def test_a_cut_out_of_a_photo_is_transparent_somewhere_and_not_everywhere() -> None:
    for source in (noise(128, 128), Image.new("RGB", (128, 128), "white"), Image.new("RGB", (1, 1))):
        given = {"inputs": (entry(encoded(source)),), "background": "transparent", "width": 128, "height": 128}
        low, high = opened(draw(order(route="edits", **given), 0, 0).data).getchannel("A").getextrema()
        assert (low, high) == (0, 255)


@settings(max_examples=20, deadline=None)
@given(
    mode=st.sampled_from(["RGB", "RGBA"]),
    output_format=st.sampled_from(["png", "webp"]),
    levels=st.lists(st.sampled_from([0, 0, 1, 128, 254, 255]), min_size=48 * 32, max_size=48 * 32),
)
def test_a_mask_changes_every_pixel_inside_and_none_outside(mode: str, output_format: str, levels: list[int]) -> None:
    source = noise(48, 32, mode)
    mask = Image.new("RGBA", (48, 32), "black")
    alpha = Image.new("L", (48, 32))
    alpha.putdata(levels)
    mask.putalpha(alpha)
    given = {
        "inputs": (entry(encoded(source)),),
        "mask": entry(encoded(mask)),
        "background": "transparent" if mode == "RGBA" else "opaque",
    }
    made = opened(draw(order(route="edits", width=48, height=32, output_format=output_format, **given), 0, 0).data)
    before, after = source.convert("RGBA"), made.convert("RGBA")
    for index, level in enumerate(levels):
        at = (index % 48, index // 48)
        assert (before.getpixel(at) != after.getpixel(at)) == (level == 0), (at, level)


def test_a_mask_changes_even_what_would_be_drawn_the_same() -> None:
    scene = noise(40, 30)
    made = fill_mask(scene.copy(), Image.new("L", scene.size, 0), scene, "x", PALETTES[0])
    apart = ImageChops.difference(made, scene)
    assert all(max(pixel) > 0 for pixel in zip(*[band.tobytes() for band in apart.split()], strict=True))


def test_a_mask_scales_with_the_picture() -> None:
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    source = Image.new("RGB", (64, 64), (120, 120, 120))
    given = {"inputs": (entry(encoded(source)),), "mask": entry(encoded(mask))}
    made = opened(draw(order(route="edits", width=256, height=128, **given), 0, 0).data)
    assert made.getpixel((200, 64)) == (120, 120, 120)
    assert made.getpixel((20, 64)) != (120, 120, 120)


def test_an_upside_down_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    noise(40, 20).save(file, "JPEG", exif=exif)
    assert entry(file.getvalue()).size == (20, 40)


def test_a_gif_has_the_frames_asked() -> None:
    image = opened(draw(order(output_format="gif", frames=5, frame_ms=120), 0, 0).data)
    assert getattr(image, "n_frames", 1) == 5
    assert image.info["duration"] == 120


def test_a_partial_picture_is_a_picture_and_not_the_final_one() -> None:
    final, partial = draw(order(), 0, 0), draw(order(), 0, 0, 0.5)
    assert opened(partial.data).size == opened(final.data).size
    assert partial.data != final.data
