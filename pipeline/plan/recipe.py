"""What one step of a shot says to one model: where it goes, its merged parameters, its price."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.capability import Profile, Quote
from pipeline.domain.digest import Json
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.step import Protocol
from pipeline.manifest.model import Manifest, ModelSpec, Shot
from pipeline.plan.keys import KeyMaker
from pipeline.ports import Catalogue

Size = tuple[int, int]
"""Width and height in pixels."""

USUAL: Size = (1024, 1024)
"""Taken for a picture whose size nobody has looked at."""

_REMEMBERED = 4096
_WRITTEN_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


class Rate:
    """The price of one request by prompt length, inputs and count; each answer is asked of the catalogue once."""

    def __init__(self, catalogue: Catalogue, profile: Profile, spec: ModelSpec, params: Mapping[str, Json]) -> None:
        self._catalogue = catalogue
        self._profile = profile
        self._spec = spec
        self._params = params
        self._told: dict[tuple[int, tuple[Size, ...], int], Quote | None] = {}

    def quote(self, prompt_chars: int, input_sizes: tuple[Size, ...], count: int) -> Quote | None:
        """The price in micro-USD, or None when neither the catalogue nor the manifest's ``price`` knows one."""
        at = (prompt_chars, input_sizes, count)
        try:
            return self._told[at]
        except KeyError:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told[at] = self._ask(prompt_chars, input_sizes, count)
            return self._told[at]

    def _ask(self, prompt_chars: int, input_sizes: tuple[Size, ...], count: int) -> Quote | None:
        if self._profile.free:
            return Quote(expected=FREE, worst=FREE, source="free")
        quote = self._catalogue.quote(
            self._profile,
            self._spec.model,
            self._params,
            prompt_chars=prompt_chars,
            input_sizes=input_sizes,
            count=count,
        )
        if quote is None and self._spec.price is not None:
            price = MicroUsd(self._spec.price * count)
            return Quote(expected=price, worst=price, source="price")
        return quote


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipe:
    """One depth of a shot for one model alias, the same object for all its cells.

    size: of the picture it is expected to bring, in pixels.
    """

    provider: str
    alias: str
    model: str
    protocol: Protocol
    params: Mapping[str, Json]
    size: Size
    keys: KeyMaker
    rate: Rate


def recipe(manifest: Manifest, catalogue: Catalogue, shot: Shot, alias: str, depth: int) -> Recipe:
    """What depth *depth* of a shot asks when the cell's model is *alias*.

    Parameters merge key by key: defaults < model < shot < chain step < ``--set``; None removes one.
    """
    step = shot.chain[depth - 1] if depth else None
    spec = manifest.models[(step.model if step else None) or alias]
    layers = [shot.default_params, spec.params, shot.params, *([step.params] if step else []), shot.set_params]
    params = merged(layers)
    profile = manifest.providers[spec.provider].profile
    return Recipe(
        provider=spec.provider,
        alias=spec.alias,
        model=spec.model,
        protocol=spec.protocol,
        params=params,
        size=_size(params.get("size")),
        keys=KeyMaker(spec.protocol, spec.model, params),
        rate=Rate(catalogue, profile, spec, params),
    )


def merged(layers: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Parameters laid over each other, later ones winning; None removes."""
    together: dict[str, Json] = {}
    for layer in layers:
        together.update(layer)
    return {name: value for name, value in together.items() if value is not None}


def _size(written: Json) -> Size:
    """The size a ``size`` parameter names; the usual one for ``auto`` and for models that have none."""
    match = _WRITTEN_SIZE.fullmatch(written) if isinstance(written, str) else None
    return (int(match[1]), int(match[2])) if match else USUAL
