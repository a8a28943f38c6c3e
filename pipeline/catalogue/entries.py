"""One entry of the catalogue's data as a typed value: what a model and a provider can do, cost and when they end.

The field names below are the keys one writes in YAML. They are plain frozen dataclasses; pydantic only reads text
into them and refuses keys that do not exist.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from pipeline.domain.capability import Limits, Manner, Profile
from pipeline.domain.step import Protocol

STRICT_KEYS = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=0)]
Usd = Annotated[Decimal, Field(ge=0)]
SizeText = Annotated[str, Field(pattern=r"^[1-9]\d{0,5}x[1-9]\d{0,5}$")]
Verdict = Literal["refused", "ignored", "doubtful"]
"""How bad: ``refused`` is an error, ``ignored`` and ``doubtful`` are warnings."""


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class GridRule:
    """Free sizes: both edges multiples of *multiple*, edges, ratio and pixels within bounds (pixels: least, most).

    steady: more pixels than this are legal but experimental.
    """

    multiple: int
    longest: int
    ratio: float
    pixels: tuple[int, int]
    steady: int | None = None


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Which ``size`` is legal.

    listed: the sizes a document names; with no rule nothing else is legal, with a rule the others are judged by
    *beyond*. auto: what ``auto`` may become; empty when ``auto`` is not understood. default: of a request without one.
    """

    rule: GridRule | None = None
    listed: tuple[SizeText, ...] = ()
    beyond: Verdict = "doubtful"
    auto: tuple[SizeText, ...] = ()
    default: str = "auto"


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class ParamRule:
    """What is known of one parameter.

    values: the legal ones, in order from cheap to dear. range: least and most, for numbers.
    instead: a wrong value people write -> the legal one they mean. doubtful: value -> why it may not work.
    needs: value (``*``: any) -> other parameter -> its values that go with it; unmet: what follows otherwise.
    harmless: the value for which *needs* and *doubtful* do not matter. only: the endpoint that knows it; elsewhere:
    what the other one says. default: what a request without it means.
    """

    verdict: Literal["allowed", "refused", "ignored", "doubtful"] = "allowed"
    type: Literal["text", "integer", "number", "boolean", "any"] = "text"
    values: tuple[str, ...] = ()
    range: tuple[int, int] | None = None
    default: str | int | None = None
    instead: Mapping[str, str] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    unmet: Verdict = "refused"
    harmless: str | int | None = None
    only: Literal["generations", "edits"] | None = None
    elsewhere: Verdict = "refused"
    why: str = ""


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """When a model ends. by: providers that really switch it off then; others may go on serving it."""

    date: date
    by: tuple[str, ...] = ()
    successor: str = ""
    note: str = ""


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens. cached_*: of input the host had already seen."""

    text_in: Usd = Decimal(0)
    image_in: Usd = Decimal(0)
    image_out: Usd = Decimal(0)
    text_out: Usd = Decimal(0)
    cached_text_in: Usd | None = None
    cached_image_in: Usd | None = None


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """per_million: token rates. picture: USD a picture, flat or by the value of *by*; wins over tokens in a quote.

    A host that bills by the picture alone is written ``{picture: 0.04, per_million: null}``.
    """

    per_million: Rates | None = None
    picture: Usd | Mapping[str, Usd] | None = None
    by: str = "image_size"


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTokens:
    """How many tokens a picture is.

    grain: quality -> the q of the formula in `prices`; times: quality -> a factor measured on top of it.
    table: size -> quality -> tokens, for models with fixed sizes. by_size: value of ``image_size`` -> tokens.
    partial: tokens of each partial image. spare: tokens of text and thought that may come besides.
    """

    grain: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, Usd] = field(default_factory=dict)
    table: Mapping[SizeText, Mapping[str, int]] = field(default_factory=dict)
    by_size: Mapping[str, int] = field(default_factory=dict)
    partial: Count = 0
    spare: Count = 0


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class InputTokens:
    """How many tokens what goes along is.

    A picture is one token for each *tile* x *tile* pixels, at most *most*; smaller ones are first magnified, at most
    twice, towards a longest edge of *grow*. high_fidelity: added where ``input_fidelity: high``.
    prompt_extra: text tokens beside the prompt; picture_extra: text tokens each picture may bring.
    """

    tile: Annotated[int, Field(ge=1)] = 32
    most: Count = 1536
    grow: Count = 1024
    high_fidelity: Count = 0
    prompt_extra: Count = 6
    picture_extra: Count = 40


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model. like: the entry whose keys this one starts from (all but ``aliases``, ``snapshots``, ``retires``).

    vendors: prefixes gateways put before the id (``google/…``). dated: ``id-YYYY-MM-DD`` is a snapshot of it.
    inputs: how many pictures one edit takes. mask: whether it knows masks.
    """

    title: str = ""
    maker: str = ""
    like: str = ""
    vendors: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    dated: bool = False
    protocols: tuple[Protocol, ...] = ("images",)
    inputs: int = 16
    mask: bool = True
    sizes: Sizes | None = None
    params: Mapping[str, ParamRule] = field(default_factory=dict)
    prices: Prices | None = None
    tokens: OutputTokens | None = None
    input_tokens: InputTokens = field(default_factory=InputTokens)
    retires: Retirement | None = None
    verified_at: date | None = None
    source: str = ""


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsEntry(Limits):
    """The same keys; others are refused."""


@with_config(STRICT_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry(Manner):
    """One kind of gateway: how it wants to be spoken to (see `domain.capability.Manner`) and what it says.

    unknown_params: what happens to a parameter nobody knows. relays: the only fields of a JSON generation that reach
    the model; empty: all. prices: whose the price lists are (``maker``: this host is the maker; ``estimate``: a
    reseller, the maker's prices are taken). models: model id (``*``: every known model) -> keys of a model entry that
    are different here. like: the entry whose keys this one starts from (all but ``title`` and ``notes``).
    """

    title: str = ""
    like: str = ""
    limits: LimitsEntry = field(default_factory=LimitsEntry)
    unknown_params: Literal["refused", "dropped", "passed"] = "passed"
    relays: tuple[str, ...] = ()
    prices: Literal["maker", "estimate"] = "estimate"
    models: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def profile(self, name: str) -> Profile:
        """The part of the entry that other rooms act on."""
        manner = {each.name: getattr(self, each.name) for each in fields(Manner)}
        return Profile(name=name, limits=Limits(**asdict(self.limits)), **manner)


MODEL = TypeAdapter(ModelEntry)
PROVIDER = TypeAdapter(ProviderEntry)
