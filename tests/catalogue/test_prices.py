"""Prices follow the published figures, the worst is never below the expected, and silence is never taken for free."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.catalogue.prices import grid_tokens, input_tokens
from pipeline.catalogue.sizes import edges
from pipeline.domain.capability import Profile, Quote
from pipeline.domain.digest import Json
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Usage
from tests.catalogue.conftest import TODAY

TOKENS = {
    "1024x1024": (196, 439, 1756, 3122, 7024),
    "1536x1024": (158, 343, 1372, 2459, 5488),
    "1024x1536": (158, 343, 1372, 2459, 5488),
    "2048x2048": (397, 892, 3568, 6343, 14272),
    "2048x1152": (157, 367, 1413, 2511, 5650),
    "1152x2048": (157, 367, 1413, 2511, 5650),
    "2560x1440": (205, 478, 1843, 3276, 7370),
    "3840x2160": (371, 865, 3336, 5930, 13342),
}
GRAINS = (16, 24, 48, 64, 96)


@pytest.mark.parametrize("size", TOKENS)
def test_the_output_formula_gives_every_published_figure(size: str) -> None:
    assert tuple(grid_tokens(grain, edges(size)) for grain in GRAINS) == TOKENS[size]


PUBLISHED = [
    ("gpt-image-2", "1024x1024", {"low": 0.006, "medium": 0.053, "high": 0.211}),
    ("gpt-image-2", "1024x1536", {"low": 0.005, "medium": 0.041, "high": 0.165}),
    ("gpt-image-2", "3840x2160", {"low": 0.012, "medium": 0.101, "high": 0.401}),
    ("gpt-image-2.5-flare", "1024x1024", {"medium": 0.013, "high": 0.053, "max": 0.211}),
    ("gpt-image-1.5", "1024x1024", {"low": 0.009, "medium": 0.034, "high": 0.133}),
    ("gpt-image-1.5", "1024x1536", {"low": 0.013, "medium": 0.050, "high": 0.200}),
    ("gpt-image-1", "1024x1024", {"low": 0.011, "medium": 0.042, "high": 0.167}),
    ("gpt-image-1", "1024x1536", {"low": 0.016, "medium": 0.063, "high": 0.25}),
    ("gpt-image-1-mini", "1024x1024", {"low": 0.005, "medium": 0.011}),
    ("gpt-image-1-mini", "1536x1024", {"low": 0.006, "medium": 0.015}),
]


def quiet(catalogue: DatedCatalogue, preset: str = "openai") -> Profile:
    """A profile that asks for no partial images, which cost tokens of their own."""
    profile = catalogue.profile(preset)
    assert profile is not None
    return replace(profile, stream=False)


def quoted(
    catalogue: DatedCatalogue,
    profile: Profile,
    model: str,
    params: dict[str, Json],
    *,
    chars: int = 0,
    inputs: list[tuple[int, int]] | None = None,
    count: int = 1,
) -> Quote:
    quote = catalogue.quote(profile, model, params, prompt_chars=chars, input_sizes=inputs or [], count=count)
    assert quote is not None
    return quote


@pytest.mark.parametrize(
    ("model", "size", "quality", "usd"),
    [(model, size, quality, usd) for model, size, row in PUBLISHED for quality, usd in row.items()],
)
def test_a_quote_is_the_published_price_of_a_picture(
    catalogue: DatedCatalogue, model: str, size: str, quality: str, usd: float
) -> None:
    quote = quoted(catalogue, quiet(catalogue), model, {"size": size, "quality": quality})
    assert quote.expected / 1_000_000 == pytest.approx(usd, abs=0.001)
    assert quote.source == "tokens"


@pytest.mark.parametrize(
    ("model", "params", "usd"),
    [
        ("gemini-3-pro-image", {}, 0.134),
        ("gemini-3-pro-image", {"image_size": "2K"}, 0.134),
        ("google/gemini-3-pro-image", {"image_size": "4K"}, 0.24),
        ("gemini-3.1-flash-image", {"image_size": "1K"}, 0.0672),
        ("gemini-3.1-flash-image", {"image_size": "0.5K"}, 0.045),
        ("gemini-3.1-flash-image", {"image_size": "512"}, 0.045),
        ("gemini-2.5-flash-image", {}, 0.039),
    ],
)
def test_a_nano_banana_is_priced_by_the_picture_and_its_size(
    catalogue: DatedCatalogue, model: str, params: dict[str, Json], usd: float
) -> None:
    quote = quoted(catalogue, quiet(catalogue, "openrouter"), model, params)
    assert quote.expected / 1_000_000 == pytest.approx(usd, abs=0.0005)


def test_auto_is_expected_medium_at_1024_and_at_worst_the_dearest_it_may_become(catalogue: DatedCatalogue) -> None:
    profile = quiet(catalogue)
    medium = quoted(catalogue, profile, "gpt-image-2", {"size": "1024x1024", "quality": "medium"})
    high = quoted(catalogue, profile, "gpt-image-2", {"size": "1024x1024", "quality": "high"})
    autos: list[dict[str, Json]] = [{}, {"size": "auto", "quality": "auto"}, {"quality": None}]
    for params in autos:
        auto = quoted(catalogue, profile, "gpt-image-2", params)
        assert (auto.expected, auto.worst) == (medium.expected, high.worst)
    best = quoted(catalogue, profile, "gpt-image-2.5-flare", {"size": "1024x1024", "quality": "max"})
    assert quoted(catalogue, profile, "gpt-image-2.5-flare", {}).worst == best.worst


def test_inputs_cost_their_tokens_for_each_picture_asked(catalogue: DatedCatalogue) -> None:
    profile, params = quiet(catalogue), {"size": "1024x1024", "quality": "low"}
    alone = quoted(catalogue, profile, "gpt-image-2", dict(params))
    one = quoted(catalogue, profile, "gpt-image-2", dict(params), inputs=[(1024, 1024)])
    assert one.expected - alone.expected == 1024 * 8
    assert one.worst - alone.worst == 1536 * 8 + 40 * 5
    two = quoted(catalogue, profile, "gpt-image-2", dict(params), inputs=[(1024, 1024)], count=2)
    assert two.expected == 2 * one.expected
    assert two.tokens == 2 * 196


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((1024, 1024), 1024), ((512, 512), 1024), ((256, 256), 256), ((4000, 3000), 1536), ((1, 1), 1), ((0, 0), 1)],
)
def test_an_input_is_counted_in_tiles_after_small_ones_are_magnified(
    catalogue: DatedCatalogue, size: tuple[int, int], tokens: int
) -> None:
    entry = catalogue.entry("gpt-image-2")
    assert entry is not None
    assert input_tokens(entry.input_tokens, [size], {}).expected == tokens


def test_high_fidelity_costs_more_where_the_model_charges_for_it(catalogue: DatedCatalogue) -> None:
    profile, size = quiet(catalogue), [(1024, 1024)]
    low = quoted(catalogue, profile, "gpt-image-1.5", {"input_fidelity": "low"}, inputs=size)
    high = quoted(catalogue, profile, "gpt-image-1.5", {"input_fidelity": "high"}, inputs=size)
    assert high.expected - low.expected == 6240 * 8


def test_a_partial_image_asked_for_is_paid_for(catalogue: DatedCatalogue) -> None:
    profile = catalogue.profile("openai")
    assert profile is not None
    params: dict[str, Json] = {"size": "1024x1024", "quality": "low"}
    streamed = quoted(catalogue, profile, "gpt-image-2", params)
    assert streamed.expected - quoted(catalogue, quiet(catalogue), "gpt-image-2", params).expected == 100 * 30
    three = quoted(catalogue, quiet(catalogue), "gpt-image-2", {**params, "stream": True, "partial_images": 3})
    assert three.expected - quoted(catalogue, quiet(catalogue), "gpt-image-2", params).expected == 3 * 100 * 30


def test_a_sketch_is_free_whatever_the_model(catalogue: DatedCatalogue) -> None:
    profile = quiet(catalogue, "sketch")
    known = quoted(catalogue, profile, "gpt-image-2", {"quality": "high"}, count=4)
    assert (known.expected, known.worst, known.source) == (0, 0, "free")
    assert known.tokens == 4 * 7024
    assert quoted(catalogue, profile, "nobody-knows-me", {}).source == "free"
    assert catalogue.bill(profile, "gpt-image-2", Usage(image_out=7024)) == 0


def test_a_reseller_is_an_estimate_and_an_unknown_model_has_no_price(catalogue: DatedCatalogue) -> None:
    assert quoted(catalogue, quiet(catalogue, "clauddy"), "gpt-image-2", {}).source == "estimate"
    assert quoted(catalogue, Profile(name="somewhere"), "gpt-image-2", {}).source == "estimate"
    openai = quiet(catalogue)
    assert catalogue.quote(openai, "acme-1", {}, prompt_chars=9, input_sizes=[], count=1) is None
    assert catalogue.quote(openai, "dall-e-3", {}, prompt_chars=9, input_sizes=[], count=1) is None
    assert catalogue.bill(openai, "acme-1", Usage(image_out=100)) is None


def test_a_provider_that_names_its_own_price_is_no_estimate(catalogue: DatedCatalogue) -> None:
    own = {"clauddy": {"models": {"gpt-image-2": {"prices": {"picture": 0.05, "per_million": None}}}}}
    changed = catalogue.overridden({"providers": own})
    quote = quoted(changed, quiet(changed, "clauddy"), "gpt-image-2", {"quality": "high"}, chars=500, count=3)
    assert (quote.expected, quote.worst, quote.source) == (150_000, 150_000, "price")
    assert changed.bill(quiet(changed, "clauddy"), "gpt-image-2", Usage(image_out=7024)) is None
    assert quoted(changed, quiet(changed), "gpt-image-2", {"size": "1024x1024", "quality": "high"}).expected > 200_000


def test_a_size_in_pixels_prices_a_nano_banana_by_the_tier_it_becomes(catalogue: DatedCatalogue) -> None:
    profile = quiet(catalogue, "openrouter")
    big = quoted(catalogue, profile, "gemini-3.1-flash-image", {"size": "3840x2160"})
    assert big.expected == quoted(catalogue, profile, "gemini-3.1-flash-image", {"image_size": "4K"}).expected
    hidden = quoted(catalogue, profile, "gemini-3.1-flash-image", {"image_config": {"image_size": "4K"}})
    assert hidden.worst >= big.expected > hidden.expected


def test_a_bill_is_made_of_every_kind_of_token(catalogue: DatedCatalogue) -> None:
    profile = quiet(catalogue)
    usage = Usage(text_in=14, image_in=1024, image_out=439)
    assert catalogue.bill(profile, "gpt-image-2", usage) == 14 * 5 + 1024 * 8 + 439 * 30
    assert catalogue.bill(profile, "gpt-image-2-2026-04-21", usage) == 14 * 5 + 1024 * 8 + 439 * 30
    cached = Usage(text_in=100, image_in=1000, cached_in=500, image_out=1)
    # 100 of the cached tokens are text at 1.25, the other 400 are image at 2.
    assert catalogue.bill(profile, "gpt-image-2", cached) == 125 + 600 * 8 + 400 * 2 + 30
    thinking = Usage(text_in=10, text_out=20, image_out=100)
    assert catalogue.bill(profile, "gpt-image-1.5", thinking) == 10 * 5 + 20 * 10 + 100 * 32
    fractions = Usage(text_in=1, image_in=1, image_out=1)
    assert catalogue.bill(profile, "gpt-image-1-mini", fractions) == 13  # 12.5, rounded up


def test_output_that_is_not_told_apart_is_billed_as_image(catalogue: DatedCatalogue) -> None:
    assert catalogue.bill(quiet(catalogue), "gpt-image-2", Usage(text_in=10, text_out=439)) == 50 + 439 * 30
    assert catalogue.bill(quiet(catalogue), "gpt-image-1.5", Usage(text_out=100)) == 3200


def test_a_usage_without_output_says_nothing(catalogue: DatedCatalogue) -> None:
    assert catalogue.bill(quiet(catalogue), "gpt-image-2", Usage()) is None
    assert catalogue.bill(quiet(catalogue), "gpt-image-2", Usage(text_in=14)) is None


def test_the_hosts_own_figure_wins_over_ours(catalogue: DatedCatalogue) -> None:
    usage = Usage(image_out=1120, cost=MicroUsd(139_000))
    assert catalogue.bill(quiet(catalogue, "openrouter"), "google/gemini-3-pro-image", usage) == 139_000
    assert catalogue.bill(quiet(catalogue, "openrouter"), "nobody-knows-me", usage) == 139_000
    nonsense = replace(usage, cost=MicroUsd(-5))
    assert catalogue.bill(quiet(catalogue, "openrouter"), "google/gemini-3-pro-image", nonsense) == 1120 * 120


models = st.sampled_from(
    [
        "gpt-image-2",
        "gpt-image-2.5-sunburst",
        "gpt-image-2.6-flare",
        "gpt-image-1.5",
        "gpt-image-1-mini",
        "chatgpt-image-latest",
        "gemini-3-pro-image",
        "google/gemini-3.1-flash-image",
        "gemini-2.5-flash-image",
    ]
)
presets = st.sampled_from(["openai", "clauddy", "dieyuyun", "openrouter", "newapi"])
params_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "size": st.sampled_from(["auto", "1024x1024", "1536x1024", "2048x2048", "3840x2160", "16x16", "junk", ""]),
        "quality": st.sampled_from(["auto", "low", "medium", "high", "xhigh", "max", "junk"]),
        "image_size": st.sampled_from(["512", "0.5K", "1K", "2K", "4K", "8K"]),
        "input_fidelity": st.sampled_from(["low", "high"]),
        "partial_images": st.integers(0, 3),
        "background": st.just("transparent"),
    },
)
input_lists = st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), max_size=16)


@dataclass(frozen=True)
class Asked:
    """What a request is priced by."""

    params: dict[str, Json]
    chars: int
    inputs: list[tuple[int, int]]
    pictures: int


requests = st.builds(Asked, params_of_any_kind, st.integers(0, 32_000), input_lists, st.integers(1, 10))


@settings(max_examples=200, deadline=None)
@given(preset=presets, model=models, asked=requests)
def test_the_worst_is_never_below_the_expected_and_both_grow_with_all_that_is_asked(
    catalogue: DatedCatalogue, preset: str, model: str, asked: Asked
) -> None:
    profile = catalogue.profile(preset)
    assert profile is not None

    def price(request: Asked) -> Quote:
        inputs, pictures = request.inputs, request.pictures
        return quoted(catalogue, profile, model, request.params, chars=request.chars, inputs=inputs, count=pictures)

    quote = price(asked)
    assert 0 < quote.expected <= quote.worst
    for more in (
        price(replace(asked, pictures=asked.pictures + 1)),
        price(replace(asked, chars=asked.chars + 100)),
        price(replace(asked, inputs=[*asked.inputs, (1024, 1024)])),
    ):
        assert more.expected > quote.expected
        assert more.worst > quote.worst
        assert more.tokens >= quote.tokens


@settings(max_examples=100, deadline=None)
@given(grain=st.sampled_from(GRAINS), wide=st.integers(1, 80), high=st.integers(1, 80), factor=st.integers(2, 3))
def test_more_pixels_of_the_same_shape_never_cost_less(grain: int, wide: int, high: int, factor: int) -> None:
    small, big = (16 * wide, 16 * high), (16 * wide * factor, 16 * high * factor)
    assert grid_tokens(grain, small) <= grid_tokens(grain, big)
    assert grid_tokens(grain, small) == grid_tokens(grain, (small[1], small[0]))


def test_prices_are_decimal_all_the_way(catalogue: DatedCatalogue) -> None:
    """0.1 + 0.2 is no price: a rate of 0.3 a token must give 300,000 for a million of them, and not one more."""
    changed = catalogue.overridden(
        {"models": {"cheap": {"prices": {"per_million": {"text_in": 0.3, "image_out": 0.1}}}}}
    )
    entry = changed.entry("cheap")
    assert entry is not None
    assert entry.prices is not None
    assert entry.prices.per_million is not None
    assert entry.prices.per_million.text_in == Decimal("0.3")
    assert changed.bill(quiet(changed), "cheap", Usage(text_in=1_000_000, image_out=10)) == 300_001


def test_what_was_asked_before_changes_no_quote() -> None:
    """Tariffs are remembered by the parameters that make them: each of these has to find its own."""
    varied: list[dict[str, Json]] = [
        {},
        {"size": "1024x1024"},
        {"size": "2048x2048"},
        {"quality": "low"},
        {"quality": "low", "partial_images": 3, "stream": True},
        {"quality": "low", "partial_images": 2, "stream": True},
        {"quality": "low", "partial_images": 2, "stream": False},
        {"image_size": "4K"},
        {"image_config": {"image_size": "4K"}},
        {"extra_body": {"google": {"image_config": {"image_size": "4K"}}}},
        {"tier": "fine"},
    ]
    own = {"by": "tier", "picture": {"plain": 0.01, "fine": 0.09}}
    extra = {"models": {"tiered": {"prices": own}}}
    warm = load_catalogue(extra, today=TODAY)
    for model in ("gpt-image-2", "gemini-3.1-flash-image", "tiered"):
        for params in varied:
            for preset in ("openai", "openrouter"):
                fresh = load_catalogue(extra, today=TODAY)
                profile = fresh.profile(preset)
                assert profile is not None
                assert quoted(warm, profile, model, params) == quoted(fresh, profile, model, params)
