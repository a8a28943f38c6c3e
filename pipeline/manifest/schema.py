"""What may stand in a manifest: one model per mapping, which checks its structure and tells editors about it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import WithDefaultSchema

from pipeline.manifest.fields import (
    Entry,
    Flag,
    Groups,
    JsonValue,
    Number,
    Param,
    Raw,
    Seconds,
    Share,
    Text,
    Texts,
    TimeOfDay,
    Usd,
    Whole,
    Word,
    bounded,
    choice,
)

Positive = Annotated[Whole, AfterValidator(bounded(1, 1_000_000))]
Rate = Annotated[Number, AfterValidator(bounded(0.001, 1_000_000_000))]
Params = dict[str, Param]
Protocol = Annotated[Literal["images", "chat"], BeforeValidator(choice("images", "chat"))]
Choice = Annotated[Literal["any", "exact"], BeforeValidator(choice("any", "exact"))]
When = Annotated[
    Literal["failed", "refused", "unknown", "budget", "error"],
    BeforeValidator(choice("failed", "refused", "unknown", "budget", "error")),
]

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_AXIS: dict[str, Any] = {
    "description": "A list of values, a mapping of keys to texts (or to {text: …, field: …}), or {source: NAME}.",
    "anyOf": [
        {"type": "array", "minItems": 1, "items": _SCALAR},
        {"type": "object", "properties": {"source": {"type": "string"}}, "required": ["source"], "maxProperties": 1},
        {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [_SCALAR, {"type": "object"}]}},
    ],
}
Axis = Annotated[Any, WithJsonSchema(_AXIS)]


class TimeoutEntry(Entry):
    """How long to wait, each apart."""

    connect: Seconds | None = Field(default=None, description="To open a connection.", examples=["10s"])
    total: Seconds | None = Field(default=None, description="For one whole request.", examples=["420s"])
    idle: Seconds | None = Field(default=None, description="Between two bytes of an answer.", examples=["120s"])


class LimitsEntry(Entry):
    """What the provider allows; what is left out is learned from its answers."""

    concurrency: Positive | None = Field(default=None, description="Requests at once.", examples=[8])
    requests_per_minute: Rate | None = Field(default=None, description="Requests started in a minute.", examples=[60])
    images_per_minute: Rate | None = Field(default=None, description="Pictures asked for in a minute.", examples=[50])
    tokens_per_minute: Rate | None = Field(
        default=None, description="Tokens asked for in a minute.", examples=[250_000]
    )
    images_per_day: Positive | None = Field(default=None, description="Pictures asked for in a day.")


class RetryEntry(Entry):
    """How often a request that surely was not billed is sent again."""

    attempts: Positive | None = Field(
        default=None, description="Requests for one picture in a run at most.", examples=[5]
    )
    first_wait: Seconds | None = Field(default=None, description="Wait before the first repeat.", examples=["2s"])
    longest_wait: Seconds | None = Field(default=None, description="Longest wait between repeats.", examples=["90s"])


class ProviderEntry(Entry):
    """A named endpoint. `${VAR}` and `${VAR:-default}` are replaced in all of its texts."""

    preset: Text | None = Field(
        default=None,
        description="Its profile in the catalogue; left out: the one with the provider's name, else OpenAI's own.",
        examples=["openai", "clauddy", "dieyuyun", "openrouter", "newapi", "sketch"],
    )
    base_url: Text | None = Field(default=None, description="As you paste it.", examples=["https://api.openai.com/v1"])
    api_key: Text | None = Field(
        default=None,
        description="Where the key is, never the key: env:NAME or file:PATH.",
        examples=["env:OPENAI_API_KEY"],
        json_schema_extra={"pattern": "^(env|file):"},
    )
    protocol: Protocol | None = Field(default=None, description="images (default) or chat.")
    timeout: TimeoutEntry = Field(default=TimeoutEntry(), description="How long to wait.")
    stream: Annotated[Literal["auto", "off"], BeforeValidator(choice("auto", "off"))] = Field(
        default="off",
        description="auto: partial images keep proxies from cutting the line (each costs some output tokens).",
    )
    limits: LimitsEntry = Field(default=LimitsEntry(), description="What the provider allows.")
    retry: RetryEntry = Field(default=RetryEntry(), description="How often to try again.")
    on_unknown: Annotated[Literal["hold", "retry"], BeforeValidator(choice("hold", "retry"))] = Field(
        default="hold", description="What to do with a picture that was perhaps billed and never came."
    )
    max_buys: Annotated[Whole, AfterValidator(bounded(1, 10))] = Field(
        default=2, description="With `on_unknown: retry`: requests for one picture at most, ever."
    )
    space: Text = Field(default="", description="Providers with different spaces never satisfy each other's keys.")
    allow_private: Texts = Field(
        default=[], description="Hosts on loopback or private addresses that pictures may come from."
    )


class ModelEntry(Entry):
    """A model under a short name, so that a matrix can compare it."""

    provider: Text | None = Field(default=None, description="Name of a provider; may be left out when there is one.")
    model: Text = Field(description="The model as the provider calls it.", examples=["gpt-image-2"])
    protocol: Protocol | None = Field(default=None, description="Overrides the provider's.")
    params: Params = Field(default={}, description="Parameters of every request; a shot's come on top.")
    price: Usd | None = Field(default=None, description="A picture's price where the catalogue has none.")


class GuardEntry(Entry):
    """Bounds on how a feed may differ from the last run's; beyond them nothing is sent."""

    min_rows: Annotated[Whole, AfterValidator(bounded(0, 1_000_000_000))] | None = Field(
        default=None, description="Rows."
    )
    max_changed: Share | None = Field(default=None, description="Share of rows that changed.", examples=["25%"])
    max_removed: Share | None = Field(default=None, description="Share of rows that are gone.", examples=["5%"])


class SourceEntry(Entry):
    """A feed: each row becomes a value of the axis that names it."""

    file: Text = Field(description="A .csv, .tsv, .json, .jsonl or .yaml file.", examples=["feed/products.csv"])
    key: Word = Field(description="The column that names a row for ever.", examples=["sku"])
    where: Text | None = Field(default=None, description="Which rows count, by columns.", examples=["active == 'yes'"])
    guard: GuardEntry | None = Field(default=None, description="Bounds on how much may change overnight.")


class AcceptEntry(Entry):
    """What to do with a picture of another size or format than asked."""

    size: Choice | None = Field(default=None, description="any: done with a warning; exact: failed.")
    format: Choice | None = Field(default=None, description="any: done with a warning; exact: failed.")


class StepEntry(Entry):
    """One edit, on the picture before it."""

    id: Word = Field(description="Names the edit's picture for ever.", examples=["ribbon"])
    prompt: Text = Field(description="What to change, and what to keep.")
    images: Texts = Field(default=[], description="Further input images; the previous picture comes first.")
    mask: Text | None = Field(default=None, description="PNG with alpha; transparent may change.")
    params: Params = Field(default={}, description="On top of the shot's.")
    accept: AcceptEntry | None = Field(default=None, description="Overrides the shot's.")
    model: Text | None = Field(default=None, description="Another model for this edit.")


class ShotEntry(Entry):
    """A prompt, its matrix and its chain of edits."""

    matrix: dict[str, Axis] | None = Field(
        default=None,
        description="Axes: a list, a mapping of keys to texts, or {source: NAME}. The axis `model` chooses the model.",
    )
    zip: Groups | None = Field(default=None, description="Axes of equal length that are walked together.")
    where: Text | None = Field(default=None, description="Which cells count.", examples=["product.tier in ['A', 'B']"])
    exclude: list[dict[str, JsonValue]] | None = Field(
        default=None, description="Cells to leave out; a partial match excludes."
    )
    include: list[dict[str, Raw]] | None = Field(default=None, description="Cells to add; each names every axis.")
    prompt: Text | None = Field(default=None, description="What to draw, or to edit when there are images.")
    images: Texts | None = Field(
        default=None, description="1 to 16 input images: files or http(s) URLs. None: a new picture."
    )
    mask: Text | None = Field(
        default=None, description="PNG with alpha; transparent may change. Renders empty: no mask."
    )
    model: Text | None = Field(default=None, description="An alias of `models`.")
    params: Params = Field(default={}, description="On top of the defaults' and the model's; null removes one.")
    n: Annotated[Whole, AfterValidator(bounded(1, 1000))] | None = Field(
        default=None, description="Candidates.", examples=[2]
    )
    per_request: Annotated[Whole, AfterValidator(bounded(1, 10))] | None = Field(
        default=None, description="Candidates asked for in one request."
    )
    chain: list[StepEntry] | None = Field(default=None, description="Edits in order, each on the picture before it.")
    path: Text | None = Field(default=None, description="Where the pictures go; left out: the asset's name.")
    accept: AcceptEntry | None = Field(default=None, description="What to do with another size or format than asked.")


class BudgetEntry(Entry):
    """Bounds that are never crossed."""

    per_run: Usd | None = Field(default=None, description="Spent in one run.", examples=["25 USD"])
    per_asset: Usd | None = Field(default=None, description="Spent on one picture, ever.", examples=["1 USD"])
    per_month: Usd | None = Field(default=None, description="Spent in a calendar month.", examples=["300 USD"])
    max_exposure: Usd | None = Field(default=None, description="In flight at once.", examples=["5 USD"])
    max_images: Positive | None = Field(default=None, description="Pictures asked for in one run.", examples=[400])
    unpriced: Annotated[Literal["refuse", "allow"], BeforeValidator(choice("refuse", "allow"))] = Field(
        default="refuse", description="What to do with a paid model that has no price."
    )


class StopEntry(Entry):
    """When a provider is given up for this run."""

    failures_in_a_row: Positive | None = Field(default=None, description="Failures one after the other.", examples=[20])
    unknown_in_a_row: Positive | None = Field(
        default=None, description="Unknown outcomes one after the other.", examples=[5]
    )


class RunEntry(Entry):
    """How long a run may take and when it stops."""

    deadline: TimeOfDay | None = Field(default=None, description="Nothing is started after it.")
    timezone: Text | None = Field(default=None, description="Of the deadline.", examples=["Europe/Berlin"])
    network_wait: Seconds | None = Field(
        default=None, description="How long to wait for a lost network.", examples=["30m"]
    )
    stop_on: StopEntry = Field(default=StopEntry(), description="When a provider is given up for this run.")


class OutputEntry(Entry):
    """What is written besides the pictures."""

    sidecar: Flag = Field(default=False, description="A .json beside each picture.")
    xmp: Flag = Field(default=False, description="Provenance inside of the copies.")


class NotifyEntry(Entry):
    """A webhook that is told how a run went."""

    webhook: Text = Field(
        description="Where its URL is: env:NAME or file:PATH.", json_schema_extra={"pattern": "^(env|file):"}
    )
    when: list[When] = Field(
        default=["failed", "refused", "unknown", "budget", "error"], description="What it is told of."
    )


class ManifestEntry(Entry):
    """A manifest of `pipeline`: what to make, by whom, within which limits."""

    model_config = ConfigDict(title="pipeline manifest")

    version: Annotated[Whole, Field(json_schema_extra={"const": 1})] = Field(description="Always 1.")
    name: Word = Field(description="Names the output folder and the ledger's job.", examples=["product-shots"])
    providers: dict[str, ProviderEntry] = Field(default={}, description="Endpoints; none: the embedded sketch, free.")
    models: dict[str, ModelEntry] = Field(default={}, description="Models under short names.")
    sources: dict[str, SourceEntry] = Field(default={}, description="Feeds for axes.")
    catalogue: Params = Field(
        default={}, description="Data laid over the catalogue for this manifest alone: models, providers, prices."
    )
    text: dict[str, Word] = Field(default={}, description="Words used more than once: {{ text.keep }}.")
    defaults: ShotEntry = Field(default=ShotEntry(), description="Anything a shot may say, said once.")
    shots: dict[str, ShotEntry] = Field(description="What to make.")
    budget: BudgetEntry = Field(default=BudgetEntry(), description="Bounds that are never crossed.")
    run: RunEntry = Field(default=RunEntry(), description="How long a run may take and when it stops.")
    output: OutputEntry = Field(default=OutputEntry(), description="What is written besides the pictures.")
    notify: list[NotifyEntry] = Field(default=[], description="Who is told how a run went.")


class _Plain(GenerateJsonSchema):
    """Without titles that only say the key again, and without defaults that only say that nothing is said."""

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default") in (None, {}, []) or isinstance(made.get("default"), dict):
            made.pop("default", None)
        return made

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a manifest, for editors."""
    schema = ManifestEntry.model_json_schema(schema_generator=_Plain)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["patternProperties"] = {"^x-": {"description": "Anything: a place for anchors."}}
    return schema
