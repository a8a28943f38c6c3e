"""The catalogue as other rooms see it: profiles, findings, quotes and bills, on a given day."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from pipeline.catalogue import prices
from pipeline.catalogue.assembly import EVERY_MODEL, Assembled, assemble
from pipeline.catalogue.checks import Case, findings
from pipeline.catalogue.data import Document, check_sections
from pipeline.catalogue.entries import ModelEntry, ProviderEntry
from pipeline.domain.capability import Finding, Profile, Quote
from pipeline.domain.digest import Json
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.request import Usage

SNAPSHOT = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}")
REMEMBERED = 4096
"""Tariffs kept at most."""

NOBODY = ProviderEntry()
"""What is taken of a provider the catalogue has no entry for: everything passes, prices are estimates."""


class DatedCatalogue:
    """Implements `ports.Catalogue`. Immutable but for what it remembers of its own answers; every call is pure.

    today decides what is retiring and what has retired.
    """

    def __init__(self, documents: Sequence[Document], today: date) -> None:
        self._documents = tuple(documents)
        self._data: Assembled = assemble(self._documents)
        self._today = today
        self._ids = _index(self._data.models)
        self._tariffs: dict[tuple[object, ...], prices.Tariff] = {}

    def overridden(
        self,
        extra: Mapping[str, object],
        name: str = "catalogue",
        marks: Mapping[tuple[str, ...], tuple[int, int]] | None = None,
    ) -> "DatedCatalogue":
        """This catalogue with more data laid over it.

        name: the file that faults name; marks: keys from the top of *extra* down -> line and column there. Raises
        ManifestError with every fault.
        """
        document = Document(name=name, content=extra, marks=marks or {})
        check_sections(document)
        return DatedCatalogue((*self._documents, document), self._today)

    def presets(self) -> Sequence[str]:
        """Names of all presets, in the order of the data."""
        return tuple(self._data.providers)

    def models(self) -> Sequence[str]:
        """Ids of all models, in the order of the data."""
        return tuple(self._data.models)

    def profile(self, preset: str) -> Profile | None:
        """The profile of a preset; None when there is no such preset."""
        entry = self._data.providers.get(preset)
        return entry.profile(preset) if entry else None

    def provider(self, preset: str) -> ProviderEntry | None:
        """Everything that is known of a preset; None when there is no such preset."""
        return self._data.providers.get(preset)

    def entry(self, model: str, preset: str = "") -> ModelEntry | None:
        """What is known of a model at a preset (empty: by its maker); None for an unknown model."""
        found = self._id(model, preset)
        if found is None:
            return None
        return self._data.special.get((preset, found)) or self._data.models.get(found)

    def check(
        self, profile: Profile, model: str, params: Mapping[str, Json], *, images: int, mask: bool
    ) -> Sequence[Finding]:
        """What this provider says to these parameters for this model. images: how many go along (0: generation)."""
        found = self._id(model, profile.name)
        entry = self.entry(model, profile.name)
        case = Case(
            profile=profile,
            provider=self._data.providers.get(profile.name, NOBODY),
            model=model,
            entry=entry,
            exact=entry is None or not self._is_unlisted_snapshot(model, found),
            known=tuple(self._ids),
            params=params,
            images=images,
            mask=mask,
            today=self._today,
        )
        return findings(case)

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
        """The price of one request; None when the model has no price here. input_sizes: width, height in pixels.

        Inputs are counted once for each picture asked: hosts bill several pictures as several calls.
        """
        tariff = self._tariff(profile, model, params)
        if profile.free:
            return Quote(expected=FREE, worst=FREE, source="free", tokens=tariff.tokens * count if tariff else 0)
        if tariff is None or tariff.picture is None:
            return None
        whole = (tariff.picture + prices.input_cost(tariff, params, prompt_chars, input_sizes)) * count
        return Quote(
            expected=prices.micro(whole.expected),
            worst=prices.micro(max(whole.expected, whole.worst)),
            source=self._source(profile.name, model),
            tokens=tariff.tokens * count,
        )

    def bill(self, profile: Profile, model: str, usage: Usage) -> MicroUsd | None:
        """The price of an answer: the host's own figure, else from its tokens; None when neither is there."""
        if profile.free:
            return FREE
        if usage.cost is not None and usage.cost >= 0:
            return usage.cost
        entry = self.entry(model, profile.name)
        rates = entry.prices.per_million if entry and entry.prices else None
        return prices.billed(rates, usage) if rates else None

    def where(self, profile: Profile, model: str, param: str) -> str:
        """The key of the data to change for this provider, model and parameter: ``providers.x.models.y.params.z``."""
        found = self._id(model, profile.name) or model
        preset = profile.name if profile.name in self._data.providers else "NAME"
        tail = "sizes" if param == "size" else f"params.{param}"
        return f"providers.{preset}.models.{found}.{tail}"

    def _tariff(self, profile: Profile, model: str, params: Mapping[str, Json]) -> prices.Tariff | None:
        # A plan asks for the same few combinations a million times; a seed of its own for each cell must not grow this.
        entry = self.entry(model, profile.name)
        if entry is None:
            return None
        named = (*prices.PRICED_BY, entry.prices.by if entry.prices else "")
        key = (profile.name, profile.stream, model, *(str(params.get(name)) for name in named))
        if key not in self._tariffs:
            if len(self._tariffs) >= REMEMBERED:
                self._tariffs.clear()
            self._tariffs[key] = prices.tariff(entry, params, streams=profile.stream)
        return self._tariffs[key]

    def _source(self, preset: str, model: str) -> Literal["tokens", "price", "estimate"]:
        provider = self._data.providers.get(preset, NOBODY)
        if provider.prices == "estimate" and (preset, self._id(model, preset)) not in self._data.priced_here:
            return "estimate"
        entry = self.entry(model, preset)
        return "price" if entry and entry.prices and entry.prices.picture is not None else "tokens"

    def _id(self, model: str, preset: str) -> str | None:
        """The id of the entry for a model as written: itself, an alias, with a vendor's prefix, a dated snapshot."""
        if (preset, model) in self._data.special:
            return model
        if (found := self._ids.get(model)) is not None:
            return found
        vendor, slash, bare = model.rpartition("/")
        if slash:
            found = self._id(bare, preset)
            entry = self._data.models.get(found or "")
            return found if entry and vendor in entry.vendors else None
        dated = SNAPSHOT.fullmatch(model)
        entry = self._data.models.get(dated[1]) if dated else None
        return dated[1] if dated and entry and entry.dated else None

    def _is_unlisted_snapshot(self, model: str, found: str | None) -> bool:
        bare = model.rpartition("/")[2]
        return found is not None and bare != found and bare not in self._ids


def _index(models: Mapping[str, ModelEntry]) -> dict[str, str]:
    """Id, alias or snapshot -> id."""
    index = {name: name for name in models if name != EVERY_MODEL}
    for name, entry in models.items():
        for other in (*entry.aliases, *entry.snapshots):
            index.setdefault(other, name)
    return index
