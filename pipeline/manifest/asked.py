"""What a shot will ask, and what all shots stand on: every kind of request of a shot, held to the catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.domain.digest import Json
from pipeline.manifest.axes import Feeds, Matrix
from pipeline.manifest.model import ModelSpec
from pipeline.manifest.overrides import Override
from pipeline.manifest.parameters import Layer, Request, check_parameters, set_layer
from pipeline.manifest.places import Loc, Problems
from pipeline.manifest.providers import Models
from pipeline.manifest.schema import ShotEntry, StepEntry

T = TypeVar("T")


def said(own: T | None, inherited: T | None, usual: T) -> T:
    """What a shot says, else its defaults, else the usual; an empty text or list is something said."""
    if own is not None:
        return own
    return usual if inherited is None else inherited


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all shots of a manifest stand on. overrides: what `--set` laid over the file.

    strict: rows of feeds that cannot be used are errors.
    """

    folder: Path
    defaults: ShotEntry
    feeds: Feeds
    models: Models
    text: Mapping[str, str]
    strict: bool
    overrides: Sequence[Override]
    problems: Problems

    def where_said(self, name: str, entry: ShotEntry, field: str) -> Loc:
        """Where a field of a shot is said: in the shot, or in the defaults if only there."""
        inherited = getattr(entry, field) is None and getattr(self.defaults, field) is not None
        return ("defaults", field) if inherited else ("shots", name, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRequests:
    """The requests of one shot: its base picture and each edit, with each of its models."""

    name: str
    entry: ShotEntry
    ground: Ground
    matrix: Matrix

    def set_params(self) -> dict[str, Json]:
        """What `--set` says for this shot's parameters; null removes one."""
        return {name: value for layer in self._set_layers() for name, value in layer.params.items()}

    def check(self, model: ModelSpec | None) -> None:
        """Reports what the catalogue says to each request. model: None when an axis chooses it."""
        defaults = self.ground.defaults
        images = said(self.entry.images, defaults.images, [])
        mask = bool(said(self.entry.mask, defaults.mask, ""))
        steps = said(self.entry.chain, defaults.chain, [])
        chain = self.ground.where_said(self.name, self.entry, "chain")
        for spec, loc in self._models(model):
            self._check(spec, loc, len(images), mask=mask)
            for index, step in enumerate(steps):
                self._check_step(spec, loc, step, (*chain, index))

    def _models(self, model: ModelSpec | None) -> Iterator[tuple[ModelSpec, Loc]]:
        axis = self.matrix.axis("model")
        if axis is None:
            if model is not None:
                yield model, self.ground.where_said(self.name, self.entry, "model")
            return
        loc = (*self.ground.where_said(self.name, self.entry, "matrix"), "model")
        for index, value in enumerate(axis.values):
            spec = self.ground.models.specs.get(value.key)
            if spec is not None:
                yield spec, (*loc, index)

    def _check(self, spec: ModelSpec, loc: Loc, images: int, *, mask: bool) -> None:
        layers = (*self._layers(spec), *self._set_layers())
        request = Request(spec=spec, layers=layers, images=images, mask=mask, loc=("shots", self.name), model_loc=loc)
        check_parameters(request, self.ground.models)

    def _check_step(self, spec: ModelSpec, loc: Loc, step: StepEntry, place: Loc) -> None:
        own = self.ground.models.specs.get(step.model or "", spec)
        layers = (*self._layers(own), Layer(params=step.params, loc=(*place, "params")), *self._set_layers())
        request = Request(
            spec=own,
            layers=layers,
            images=1 + len(step.images),
            mask=step.mask is not None,
            loc=place,
            model_loc=(*place, "model") if step.model else loc,
        )
        check_parameters(request, self.ground.models)

    def _layers(self, spec: ModelSpec) -> tuple[Layer, ...]:
        return (
            Layer(params=self.ground.defaults.params, loc=("defaults", "params")),
            Layer(params=spec.params, loc=("models", spec.alias, "params")),
            Layer(params=self.entry.params, loc=("shots", self.name, "params")),
        )

    def _set_layers(self) -> tuple[Layer, ...]:
        locs: tuple[Loc, ...] = (("defaults", "params"), ("shots", self.name, "params"))
        return tuple(set_layer(loc, self.ground.overrides, self.ground.problems) for loc in locs)
