"""The manifest as a value: what a checked file says, with everything merged and nothing left to guess."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Literal

from pipeline.domain.capability import Limits, Profile, Timeout
from pipeline.domain.digest import Digest, Json
from pipeline.domain.errors import Problem
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import Accept, Protocol
from pipeline.manifest.template import Expression, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret is, never the secret. kind ``env``: a variable's name; ``file``: a path."""

    kind: Literal["env", "file"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """attempts: POSTs of one step in a run at most, throttling apart. Waits in seconds."""

    attempts: int = 5
    first_wait: float = 2.0
    longest_wait: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A named endpoint: its profile from the catalogue with the manifest's own words laid over it.

    base_url: normalised, no trailing slash; ``embedded:`` for the in-process gateway.
    allow_private: hosts (``host`` or ``host:port``) whose url results may be on loopback or private addresses.
    """

    name: str
    preset: str
    profile: Profile
    base_url: str
    protocol: Protocol
    api_key: SecretRef | None
    timeout: Timeout
    stream: Literal["auto", "off"]
    limits: Limits
    retry: Retry
    on_unknown: Literal["hold", "retry"]
    max_buys: int
    space: str
    allow_private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model alias. price: micro-USD a picture where the catalogue has none."""

    alias: str
    provider: str
    model: str
    protocol: Protocol
    params: Mapping[str, Json]
    price: MicroUsd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisValue:
    """One value of an axis.

    key: names it for ever; slug: the key as it stands in names and paths. text: what ``{{ axis }}`` prints.
    raw: the value as written (a number stays a number in expressions). fields: ``{{ axis.field }}``.
    problem: why this row of a feed cannot be used; empty when it can.
    """

    key: str
    slug: str
    text: str
    raw: Json
    fields: Mapping[str, Json] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis of a matrix. source: name of the feed, for a ``source`` axis."""

    name: str
    kind: Literal["list", "mapping", "source", "model"]
    values: tuple[AxisValue, ...]
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One edit. params: only what the step itself says. model: an alias, or None to inherit the shot's."""

    id: str
    prompt: Template
    images: tuple[Template, ...]
    mask: Template | None
    params: Mapping[str, Json]
    accept: Accept
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One entry under ``shots:``.

    zip: groups of axis names walked together. exclude: partial cells, axis name -> key (or expression text
    of a field as ``axis.field``). include: whole cells, axis name -> value (may be new to a list axis).
    default_params, params: what the defaults and the shot itself say; the model's go between them and depend on
    the cell (defaults < model < shot < chain step < set_params, key by key, None removes one).
    set_params: from ``--set``, laid over everything. model: an alias; None when ``model`` is an axis.
    """

    name: str
    axes: tuple[Axis, ...]
    zip: tuple[tuple[str, ...], ...]
    where: Expression | None
    exclude: tuple[Mapping[str, Json], ...]
    include: tuple[tuple[AxisValue, ...], ...]
    prompt: Template
    images: tuple[Template, ...]
    mask: Template | None
    default_params: Mapping[str, Json]
    params: Mapping[str, Json]
    set_params: Mapping[str, Json]
    n: int
    per_request: int
    chain: tuple[ChainStep, ...]
    path: Template | None
    accept: Accept
    model: str | None
    line: int = 0

    def axis(self, name: str) -> Axis | None:
        """The axis of that name."""
        return next((axis for axis in self.axes if axis.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Bounds on how much a feed may differ from the feed of the last run; shares from 0 to 1."""

    min_rows: int | None = None
    max_changed: float | None = None
    max_removed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A feed after its own ``where``. rows: as axis values; total: rows in the file; digests: key -> row digest."""

    name: str
    file: Path
    key: str
    rows: tuple[AxisValue, ...]
    total: int
    digests: Mapping[str, Digest]
    guard: Guard | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """All in micro-USD; None: no such bound."""

    per_run: MicroUsd | None = None
    per_asset: MicroUsd | None = None
    per_month: MicroUsd | None = None
    max_exposure: MicroUsd | None = None
    max_images: int | None = None
    unpriced: Literal["refuse", "allow"] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """deadline: local time in timezone (an IANA name; empty: the machine's). network_wait in seconds."""

    deadline: time | None = None
    timezone: str = ""
    network_wait: float = 1800.0
    failures_in_a_row: int = 20
    unknown_in_a_row: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What is delivered besides the pictures."""

    sidecar: bool = False
    xmp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """A webhook and when it is told."""

    webhook: SecretRef
    when: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest. digest: of the file's bytes. folder: what relative paths are relative to.

    warnings: what is legal but worth a person's look (also feed rows that cannot be used).
    catalogue: data to be laid over the catalogue for this manifest.
    """

    name: str
    file: Path
    folder: Path
    digest: Digest
    providers: Mapping[str, ProviderSpec]
    models: Mapping[str, ModelSpec]
    sources: Mapping[str, Source]
    text: Mapping[str, str]
    shots: tuple[Shot, ...]
    budget: Budget
    run: RunSpec
    output: OutputSpec
    notify: tuple[Notify, ...]
    warnings: tuple[Problem, ...] = ()
    catalogue: Mapping[str, Json] = field(default_factory=dict)

    def chain_lengths(self) -> Iterator[tuple[str, int]]:
        """Shot name and how many edits follow its base picture."""
        return ((shot.name, len(shot.chain)) for shot in self.shots)
