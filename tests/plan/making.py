"""Small manifests, inputs, a catalogue and a ledger for planning tests: values and honest little programs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.domain.capability import Finding, Limits, Profile, Quote, Timeout
from pipeline.domain.digest import Digest, Json, digest_of
from pipeline.domain.errors import InputFault
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, RunId, Slot, Space, State
from pipeline.domain.request import Prepared, Usage
from pipeline.domain.step import Accept, Role, StepKey
from pipeline.manifest.model import (
    Axis,
    AxisValue,
    Budget,
    ChainStep,
    Manifest,
    ModelSpec,
    OutputSpec,
    ProviderSpec,
    Retry,
    RunSpec,
    Shot,
)
from pipeline.manifest.names import slug
from pipeline.manifest.template import Expression, Template

FOLDER = Path("/jobs")


def value(key: str, *, text: str | None = None, raw: Json = None, problem: str = "", **fields: Json) -> AxisValue:
    said = key if text is None else text
    return AxisValue(
        key=key, slug=slug(key), text=said, raw=said if raw is None else raw, fields=fields, problem=problem
    )


def row(key: str, fields: Mapping[str, Json]) -> AxisValue:
    return AxisValue(key=key, slug=slug(key), text=key, raw=key, fields=fields)


def axis(name: str, *keys: str | AxisValue, kind: str = "list") -> Axis:
    values = tuple(key if isinstance(key, AxisValue) else value(key) for key in keys)
    match "model" if name == "model" else kind:
        case "source":
            return Axis(name=name, kind="source", values=values, source=name)
        case "mapping":
            return Axis(name=name, kind="mapping", values=values)
        case "model":
            return Axis(name=name, kind="model", values=values)
        case _:
            return Axis(name=name, kind="list", values=values)


def edit(
    step_id: str,
    prompt: str = "Edit it.",
    *,
    images: Sequence[str] = (),
    mask: str | None = None,
    params: Mapping[str, Json] | None = None,
    model: str | None = None,
    accept: Accept | None = None,
) -> ChainStep:
    return ChainStep(
        id=step_id,
        prompt=Template(prompt),
        images=tuple(Template(image) for image in images),
        mask=None if mask is None else Template(mask),
        params=params or {},
        accept=accept or Accept(),
        model=model,
    )


def shot(
    name: str = "main",
    *axes: Axis,
    prompt: str = "A picture.",
    images: Sequence[str] = (),
    mask: str | None = None,
    where: str | None = None,
    exclude: Sequence[Mapping[str, Json]] = (),
    include: Sequence[tuple[AxisValue, ...]] = (),
    zipped: Sequence[tuple[str, ...]] = (),
    n: int = 1,
    per_request: int = 1,
    chain: Sequence[ChainStep] = (),
    path: str | None = None,
    params: Mapping[str, Json] | None = None,
    default_params: Mapping[str, Json] | None = None,
    set_params: Mapping[str, Json] | None = None,
    model: str | None = "main",
) -> Shot:
    has_model_axis = any(each.name == "model" for each in axes)
    return Shot(
        name=name,
        axes=axes,
        zip=tuple(zipped),
        where=None if where is None else Expression(where),
        exclude=tuple(exclude),
        include=tuple(include),
        prompt=Template(prompt),
        images=tuple(Template(image) for image in images),
        mask=None if mask is None else Template(mask),
        default_params=default_params or {},
        params=params or {},
        set_params=set_params or {},
        n=n,
        per_request=per_request,
        chain=tuple(chain),
        path=None if path is None else Template(path),
        accept=Accept(),
        model=None if has_model_axis else model,
        line=7,
    )


def provider(name: str, *, free: bool = False, limits: Limits | None = None) -> ProviderSpec:
    return ProviderSpec(
        name=name,
        preset=name,
        profile=Profile(name=name, free=free),
        base_url=f"https://{name}.example/v1",
        protocol="images",
        api_key=None,
        timeout=Timeout(),
        stream="off",
        limits=limits or Limits(),
        retry=Retry(),
        on_unknown="hold",
        max_buys=2,
        space="",
    )


def model(alias: str, provider_name: str = "fast", *, params: Mapping[str, Json] | None = None) -> ModelSpec:
    return ModelSpec(
        alias=alias, provider=provider_name, model=f"model-{alias}", protocol="images", params=params or {}
    )


def manifest(
    *shots: Shot,
    models: Sequence[ModelSpec] = (),
    text: Mapping[str, str] | None = None,
    folder: Path = FOLDER,
    free: Iterable[str] = (),
) -> Manifest:
    specs = {spec.alias: spec for spec in models or (model("main"),)}
    names = {spec.provider for spec in specs.values()}
    return Manifest(
        name="test",
        file=Path("jobs/test.yaml"),
        folder=folder,
        digest=digest_of(b""),
        providers={name: provider(name, free=name in set(free)) for name in sorted(names)},
        models=specs,
        sources={},
        text=text or {},
        shots=shots,
        budget=Budget(),
        run=RunSpec(),
        output=OutputSpec(),
        notify=(),
    )


@dataclass(slots=True)
class Pictures:
    """Inputs that are told, by absolute path or URL; every look is counted."""

    bytes_of: Mapping[str, bytes] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)

    def digest(self, source: str) -> Digest:
        self.looks.append(source)
        if source not in self.bytes_of:
            raise InputFault(f"{source}: no such file")
        return digest_of(self.bytes_of[source])

    def prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        raise InputFault(f"{source}: nothing is sent while planning")


@dataclass(slots=True)
class PriceList:
    """A catalogue whose prices are easy to foretell: 1,000 micro-USD a picture, 1 a character, 10 an input."""

    asked: int = 0

    def profile(self, preset: str) -> Profile | None:
        return None

    def presets(self) -> Sequence[str]:
        return ()

    def check(
        self, profile: Profile, model: str, params: Mapping[str, Json], *, images: int, mask: bool
    ) -> Sequence[Finding]:
        return ()

    def quote(
        self,
        profile: Profile,
        model: str,
        params: Mapping[str, Json],
        *,
        prompt_chars: int,
        input_sizes: Sequence[tuple[int, int]],
        count: int,
    ) -> Quote | None:
        self.asked += 1
        if model == "model-unpriced":
            return None
        expected = 1000 * count + prompt_chars + 10 * len(input_sizes)
        return Quote(expected=MicroUsd(expected), worst=MicroUsd(2 * expected), source="tokens")

    def bill(self, profile: Profile, model: str, usage: Usage) -> MicroUsd | None:
        return None


def image(name: str) -> Image:
    """A picture made of a word."""
    return Image(
        digest=digest_of(name.encode()), size=100, facts=Facts(format=Format.PNG, width=8, height=8, has_alpha=False)
    )


def slot(
    key: StepKey, state: State, *, reason: str = "", picture: Image | None = None, attempt: str = "attempt"
) -> Slot:
    return Slot(
        key=key,
        state=state,
        reason=reason,
        image=picture,
        run_id=RunId("run"),
        attempt_id=AttemptId(attempt),
        usd=MicroUsd(0),
        warnings=(),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@dataclass(slots=True)
class Book:
    """A ledger's memory of slots, and how often it was asked."""

    slots: dict[tuple[Space, StepKey], Slot] = field(default_factory=dict)
    questions: int = 0
    written: int = 0

    def lookup(self, space: Space, keys: Sequence[StepKey]) -> Mapping[StepKey, Slot]:
        self.questions += 1
        return {key: self.slots[space, key] for key in keys if (space, key) in self.slots}

    def put(
        self, key: StepKey, state: State, *, reason: str = "", picture: Image | None = None, space: str = ""
    ) -> None:
        self.written += 1
        self.slots[Space(space), key] = slot(
            key, state, reason=reason, picture=picture, attempt=f"attempt {self.written}"
        )


def paid(provider_name: str) -> Space:
    """Every provider in one space."""
    return Space("")
