"""A size is legal or gets the nearest legal one named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import DatedCatalogue
from pipeline.catalogue.entries import Sizes
from pipeline.catalogue.sizes import edges, fault, is_legal, meant, nearest


def sizes_of(catalogue: DatedCatalogue, model: str, preset: str = "openai") -> Sizes:
    entry = catalogue.entry(model, preset)
    assert entry is not None
    assert entry.sizes is not None
    return entry.sizes


STANDARD = ["1024x1024", "1536x1024", "1024x1536", "2048x2048", "2048x1152", "1152x2048", "2560x1440", "auto"]
LARGE = ["3840x2160", "2160x3840", "3840x1280", "2880x2880"]
LEGAL = [*STANDARD, *LARGE, "1920x1088", "816x816", "1024x640"]
ILLEGAL = {
    "1920x1080": "multiples of 16",
    "512x512": "fewer than 655,360",
    "576x1024": "fewer than 655,360",
    "1024x576": "fewer than 655,360",
    "4096x4096": "longest edge is 3840",
    "3840x3840": "more than 8,294,400",
    "3200x1040": "3:1 at most",
    "0x1024": "",
    "-1x1024": "",
    "1024X1024": "",
    "1024 x 1024": "",
    " 1024x1024": "",
    "01024x1024": "",
    "1024x1024x3": "",
    "AUTO": "",
    "": "",
}


@pytest.mark.parametrize("size", LEGAL)
def test_the_sizes_the_maker_names_are_legal(catalogue: DatedCatalogue, size: str) -> None:
    assert is_legal(sizes_of(catalogue, "gpt-image-2"), size)


@pytest.mark.parametrize("size", ILLEGAL)
def test_what_the_rule_forbids_or_is_misspelt_is_not(catalogue: DatedCatalogue, size: str) -> None:
    sizes = sizes_of(catalogue, "gpt-image-2")
    assert not is_legal(sizes, size)
    assert sizes.rule is not None
    if ILLEGAL[size]:
        assert ILLEGAL[size] in fault(sizes.rule, edges(size))


NEAREST = {
    "1920x1080": "1920x1088",
    "1080x1920": "1088x1920",
    "512x512": "816x816",
    "1024x576": "1088x608",
    "576x1024": "608x1088",
    "4096x4096": "2880x2880",
    "7680x4320": "3840x2160",
    "1024\u00d71024": "1024x1024",
    "1024 X 1536": "1024x1536",
    "1024*1024": "1024x1024",
    "16:9": "1360x768",
    "1:1": "1024x1024",
    "2K": "2048x2048",
    "1024": "1024x1024",
    "1024px": "1024x1024",
    "square": "1024x1024",
}


@pytest.mark.parametrize("size", NEAREST)
def test_the_nearest_legal_size_keeps_the_shape(catalogue: DatedCatalogue, size: str) -> None:
    assert nearest(sizes_of(catalogue, "gpt-image-2"), size) == NEAREST[size]


def test_a_model_with_a_list_names_the_nearest_of_it(catalogue: DatedCatalogue) -> None:
    sizes = sizes_of(catalogue, "gpt-image-1.5")
    assert not is_legal(sizes, "2048x2048")
    assert nearest(sizes, "2048x2048") == "1024x1024"
    assert nearest(sizes, "1920x1080") == "1536x1024"
    assert nearest(sizes, "9:16") == "1024x1536"
    assert nearest(sizes, "banana") == "1024x1024"


written = st.one_of(
    st.builds("{}x{}".format, st.integers(0, 9999), st.integers(0, 9999)),
    st.builds("{}:{}".format, st.integers(0, 99), st.integers(0, 99)),
    st.integers(-10, 10**7).map(str),
    st.text(max_size=12),
    st.integers(-10, 10**9),
    st.booleans(),
    st.floats(),
)


@settings(max_examples=60, deadline=None)
@given(written=written, model=st.sampled_from(["gpt-image-2", "gpt-image-2.6-flare", "gpt-image-1.5", "dall-e-3"]))
def test_what_is_suggested_is_always_legal(catalogue: DatedCatalogue, written: object, model: str) -> None:
    sizes = sizes_of(catalogue, model)
    assert is_legal(sizes, nearest(sizes, written))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 240), height=st.integers(1, 240))
def test_what_is_legal_is_nearest_to_itself(catalogue: DatedCatalogue, width: int, height: int) -> None:
    sizes, size = sizes_of(catalogue, "gpt-image-2"), f"{16 * width}x{16 * height}"
    assert (nearest(sizes, size) == size) == is_legal(sizes, size)


def test_what_cannot_be_a_size_is_not_guessed() -> None:
    assert meant("large") is None
    assert meant(None) is None
    assert meant("9999999x1") is None
