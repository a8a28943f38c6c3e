"""What a request will cost and what an answer did cost, from the catalogue's token counts and rates.

All sums are integers: tokens times micro-USD a token, scaled by a million, rounded up once a request.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from pipeline.catalogue.entries import InputTokens, ModelEntry, OutputTokens, Prices, Rates
from pipeline.catalogue.sizes import EXACT, Edges, edges, meant
from pipeline.domain.digest import Json
from pipeline.domain.money import MicroUsd
from pipeline.domain.request import Usage

SCALE = 1_000_000
CHARS_PER_TOKEN = 4
"""Of English prose. The worst case is one token a character, which holds for every script in daily use."""

PRICED_BY = ("size", "quality", "image_size", "image_config", "extra_body", "stream", "partial_images")
"""Parameters that a tariff is made from, besides the one that a price may name."""

NAMES_A_TIER = ("size", "image_config", "extra_body")
"""Parameters that may ask for a dearer tier of ``image_size`` in words of their own."""

STANDARD_SIZE = "1024x1024"
STANDARD_QUALITY = "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is expected, and the most it can be."""

    expected: int
    worst: int

    def __add__(self, other: "Span") -> "Span":
        return Span(expected=self.expected + other.expected, worst=self.worst + other.worst)

    def __mul__(self, factor: int) -> "Span":
        return Span(expected=self.expected * factor, worst=self.worst * factor)


NOTHING = Span(expected=0, worst=0)


def grid_tokens(grain: int, size: Edges) -> int:
    """Output tokens of one picture of the 2 and 2.5 families.

    Fitted, exact on 30 of 30 published prices for 2.5 and on the 18 rounded ones of gpt-image-2: with q the grain of
    the quality and s = floor(q * short / long + 1/2), tokens are ceil(q * s * (2,000,000 + W * H) / 4,000,000).
    """
    width, height = size
    short, long = min(size), max(size)
    side = (2 * grain * short + long) // (2 * long)
    return -(-grain * side * (2_000_000 + width * height) // 4_000_000)


def picture_tokens(tokens: OutputTokens, size: str, quality: str) -> int:
    """Output tokens of one picture of this size and quality; 0 when the entry cannot tell."""
    if tokens.table:
        row = tokens.table.get(size)
        return row.get(quality, 0) if row else max(each.get(quality, 0) for each in tokens.table.values())
    if quality in tokens.grain and EXACT.fullmatch(size):
        count = grid_tokens(tokens.grain[quality], edges(size))
        return _ceil(count * tokens.times.get(quality, Decimal(1)))
    return 0


def output_tokens(entry: ModelEntry, params: Mapping[str, Json]) -> Span:
    """Output tokens of one picture asked with these parameters.

    ``auto`` (or nothing) is expected to be medium at 1024x1024, and at worst the dearest quality at the dearest size
    it may become.
    """
    tokens = entry.tokens
    if tokens is None:
        return NOTHING
    if tokens.by_size:
        return _choice(tokens.by_size, params, "image_size")
    expected_sizes, worst_sizes = _sizes(entry, params)
    expected_qualities, worst_qualities = _qualities(tokens, _named(entry, params, "quality"))
    expected = _dearest(tokens, expected_sizes, expected_qualities)
    return Span(expected=expected, worst=max(expected, _dearest(tokens, worst_sizes, worst_qualities)))


def input_tokens(rule: InputTokens, sizes: Sequence[Edges], params: Mapping[str, Json]) -> Span:
    """Image tokens of the pictures that go along."""
    extra = rule.high_fidelity if params.get("input_fidelity") == "high" else 0
    expected = sum(_patches(rule, size) + extra for size in sizes)
    return Span(expected=expected, worst=max(expected, len(sizes) * (rule.most + extra)))


def text_tokens(rule: InputTokens, prompt_chars: int, pictures: int) -> Span:
    """Text tokens of a prompt of so many characters."""
    expected = -(-prompt_chars // CHARS_PER_TOKEN) + rule.prompt_extra
    return Span(expected=expected, worst=prompt_chars + rule.prompt_extra + pictures * rule.picture_extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What one picture asked with given parameters costs, in millionths of a micro-USD.

    picture: the picture itself and what comes with it; None: not known. tokens: expected output tokens of a picture.
    text_in, image_in: for each token that goes along.
    """

    picture: Span | None
    tokens: int
    text_in: int
    image_in: int
    inputs: InputTokens


def tariff(entry: ModelEntry, params: Mapping[str, Json], *, streams: bool) -> Tariff:
    """The tariff of a model for these parameters. streams: a partial image is asked for unless they say otherwise."""
    rates = entry.prices.per_million if entry.prices else None
    asked = params.get("partial_images")
    partials = asked if isinstance(asked, int) and params.get("stream") is not False else int(streams)
    return Tariff(
        picture=_output_cost(entry, params, partials),
        tokens=output_tokens(entry, params).expected,
        text_in=scaled(rates.text_in) if rates else 0,
        image_in=scaled(rates.image_in) if rates else 0,
        inputs=entry.input_tokens,
    )


def input_cost(at: Tariff, params: Mapping[str, Json], prompt_chars: int, input_sizes: Sequence[Edges]) -> Span:
    """Price of what goes along with one request for one picture, in millionths of a micro-USD."""
    words = text_tokens(at.inputs, prompt_chars, len(input_sizes)) * at.text_in
    return words + input_tokens(at.inputs, input_sizes, params) * at.image_in if input_sizes else words


def _output_cost(entry: ModelEntry, params: Mapping[str, Json], partials: int) -> Span | None:
    prices, tokens = entry.prices, entry.tokens
    if prices is None:
        return None
    rates = prices.per_million
    besides = NOTHING
    if rates and tokens:
        partly = partials * tokens.partial * scaled(rates.image_out)
        besides = Span(expected=partly, worst=partly + tokens.spare * scaled(rates.text_out))
    if prices.picture is not None:
        return _picture_cost(prices, params) + besides
    made = output_tokens(entry, params)
    if rates is None or not made.worst:
        return None
    return made * scaled(rates.image_out) + besides


def billed(rates: Rates, usage: Usage) -> MicroUsd | None:
    """The price of an answer from its usage; None when the usage names no output.

    Cached input is taken off the text first: the smaller discount, so that the sum is never too low. An answer with
    a picture but no image tokens has them among its text tokens (some hosts do not tell them apart).
    """
    if not usage.image_out and not usage.text_out:
        return None
    cached_text = min(usage.cached_in, usage.text_in)
    cached_image = min(usage.cached_in - cached_text, usage.image_in)
    text_rate = scaled(rates.text_out) if usage.image_out else max(scaled(rates.image_out), scaled(rates.text_out))
    total = (
        (usage.text_in - cached_text) * scaled(rates.text_in)
        + cached_text * scaled(rates.text_in if rates.cached_text_in is None else rates.cached_text_in)
        + (usage.image_in - cached_image) * scaled(rates.image_in)
        + cached_image * scaled(rates.image_in if rates.cached_image_in is None else rates.cached_image_in)
        + usage.image_out * scaled(rates.image_out)
        + usage.text_out * text_rate
    )
    return micro(total)


def scaled(usd_per_million: Decimal) -> int:
    """A rate in USD per million tokens as millionths of a micro-USD per token."""
    return _ceil(usd_per_million * SCALE)


def micro(amount: int) -> MicroUsd:
    """Millionths of a micro-USD as micro-USD, rounded up."""
    return MicroUsd(-(-amount // SCALE))


def _picture_cost(prices: Prices, params: Mapping[str, Json]) -> Span:
    # A picture's price is in USD: a million micro-USD, each of them SCALE.
    if not isinstance(prices.picture, Mapping):
        flat = _ceil((prices.picture or Decimal(0)) * SCALE * SCALE)
        return Span(expected=flat, worst=flat)
    table = {name: _ceil(usd * SCALE * SCALE) for name, usd in prices.picture.items()}
    return _choice(table, params, prices.by)


def _choice(table: Mapping[str, int], params: Mapping[str, Json], by: str) -> Span:
    """The entry a parameter names; without it, the one nearest to ``size``, and at worst the dearest."""
    named = params.get(by)
    if named is not None and str(named) in table:
        return Span(expected=table[str(named)], worst=table[str(named)])
    untold = named is None and not any(params.get(name) for name in NAMES_A_TIER)
    longest = max(meant(params.get("size")) or (1024, 1024))
    nearest = table[min(table, key=lambda name: (abs(max(meant(name) or (1024, 1024)) - longest), table[name]))]
    return Span(expected=nearest, worst=nearest if untold else max(table.values()))


def _named(entry: ModelEntry, params: Mapping[str, Json], name: str) -> str:
    value = params.get(name)
    if value is not None:
        return str(value)
    rule = entry.params.get(name)
    return str(rule.default) if rule and rule.default is not None else ""


def _sizes(entry: ModelEntry, params: Mapping[str, Json]) -> tuple[Sequence[str], Sequence[str]]:
    known = entry.sizes.auto if entry.sizes and entry.sizes.auto else (STANDARD_SIZE,)
    asked = str(params.get("size") or (entry.sizes.default if entry.sizes else "auto"))
    if EXACT.fullmatch(asked):
        return (asked,), (asked,)
    return ((STANDARD_SIZE if STANDARD_SIZE in known else known[0]),), known


def _qualities(tokens: OutputTokens, asked: str) -> tuple[Iterable[str], Iterable[str]]:
    known = tuple(tokens.grain) or tuple(dict.fromkeys(name for row in tokens.table.values() for name in row))
    if asked in known:
        return (asked,), (asked,)
    return ((STANDARD_QUALITY,) if STANDARD_QUALITY in known else known), known


def _dearest(tokens: OutputTokens, sizes: Iterable[str], qualities: Iterable[str]) -> int:
    names = tuple(qualities)
    return max((picture_tokens(tokens, size, quality) for size in sizes for quality in names), default=0)


def _patches(rule: InputTokens, size: Edges) -> int:
    """Tiles of a picture after small ones are magnified; measured on 100 edits with gpt-image-2."""
    longest = max(*size, 1)
    factor = min(2.0, rule.grow / longest) if 0 < longest < rule.grow else 1.0
    wide, high = (max(1, -int(-edge * factor // rule.tile)) for edge in size)
    return min(rule.most, wide * high)


def _ceil(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))
