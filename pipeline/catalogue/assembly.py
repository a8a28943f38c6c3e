"""Lays the catalogue's documents over one another and reads each entry into a checked value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from pipeline.catalogue.data import Document, did_you_mean, merge, problems_of, without_nulls
from pipeline.catalogue.entries import MODEL, PROVIDER, ModelEntry, ProviderEntry
from pipeline.domain.errors import ManifestError, Problem

EVERY_MODEL = "*"
OWN = {"models": ("aliases", "snapshots", "retires", "title"), "providers": ("title", "notes")}
"""What ``like`` does not take over: names and dates belong to one entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """All entries. special: (provider, model id) -> the model's entry as that provider has it, where it differs.

    priced_here: those of *special* whose prices are the provider's own.
    """

    providers: Mapping[str, ProviderEntry]
    models: Mapping[str, ModelEntry]
    special: Mapping[tuple[str, str], ModelEntry]
    priced_here: frozenset[tuple[str, str]]


def assemble(documents: Sequence[Document]) -> Assembled:
    """Every entry of *documents*, later ones over earlier ones.

    Raises ManifestError with all faults, each at its place in the document that wrote it.
    """
    problems: list[Problem] = []
    raw = {section: _resolved(_layered(section, documents), section, documents, problems) for section in OWN}
    providers: dict[str, ProviderEntry] = {}
    for name, entry in raw["providers"].items():
        try:
            providers[name] = PROVIDER.validate_python(_whole(entry))
        except ValidationError as error:
            problems += problems_of(error, ("providers", name), documents)
    models: dict[str, ModelEntry] = {}
    for name, entry in raw["models"].items():
        try:
            models[name] = MODEL.validate_python(without_nulls(entry))
        except ValidationError as error:
            problems += problems_of(error, ("models", name), documents)
    special, priced = _special(raw["models"], providers, documents, problems)
    if problems:
        raise ManifestError(problems)
    return Assembled(providers=providers, models=models, special=special, priced_here=frozenset(priced))


def _layered(section: str, documents: Sequence[Document]) -> Mapping[str, object]:
    """One section of all documents; an entry that the last word on it sets to null is gone."""
    entries: object = {}
    for document in documents:
        entries = merge(entries, document.content.get(section) or {})
    assert isinstance(entries, Mapping)
    return {name: entry for name, entry in entries.items() if entry is not None}


def _special(
    models: Mapping[str, Mapping[str, object]],
    providers: Mapping[str, ProviderEntry],
    documents: Sequence[Document],
    problems: list[Problem],
) -> tuple[dict[tuple[str, str], ModelEntry], set[tuple[str, str]]]:
    special: dict[tuple[str, str], ModelEntry] = {}
    priced: set[tuple[str, str]] = set()
    for name, provider in providers.items():
        everywhere = provider.models.get(EVERY_MODEL) or {}
        named = [model for model in provider.models if model != EVERY_MODEL]
        for model in dict.fromkeys([*(models if everywhere else ()), *named]):
            own = provider.models.get(model) or {}
            entry = merge(merge(_base(model, own, models), everywhere), own)
            try:
                special[name, model] = MODEL.validate_python(without_nulls(entry))
            except ValidationError as error:
                problems += problems_of(error, ("models", model), documents, also=("providers", name, "models", model))
            if any(isinstance(part, Mapping) and "prices" in part for part in (everywhere, own)):
                priced.add((name, model))
    return special, priced


def _whole(entry: Mapping[str, object]) -> Mapping[str, object]:
    """A provider's entry less its nulls, but with those of `models`, which are still to be laid over something."""
    own = {key: without_nulls(value) for key, value in entry.items() if value is not None and key != "models"}
    return {**own, "models": entry.get("models") or {}}


def _base(model: str, own: object, models: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
    """The entry a provider's words are laid over: the model's own, or that of the model it is said to be like."""
    if model in models or not isinstance(own, Mapping):
        return models.get(model, {})
    return {key: value for key, value in models.get(str(own.get("like")), {}).items() if key not in OWN["models"]}


def _resolved(
    raw: Mapping[str, object], section: str, documents: Sequence[Document], problems: list[Problem]
) -> dict[str, Mapping[str, object]]:
    """Every entry with the keys of the one it is like."""
    done: dict[str, Mapping[str, object]] = {}

    def resolve(name: str, trail: tuple[str, ...]) -> Mapping[str, object]:
        if name in done:
            return done[name]
        entry = raw.get(name) or {}
        assert isinstance(entry, Mapping)
        like = entry.get("like")
        if like is None:
            return entry
        if not isinstance(like, str) or like not in raw or like in (*trail, name):
            what = f"{section}.{name} is like {like!r}, which " + ("goes round" if like in raw else "is not there")
            known = tuple(each for each in raw if each not in (*trail, name))
            problems.append(_at(documents, (section, name, "like"), what, did_you_mean(str(like), known)))
            return entry
        base = {key: value for key, value in resolve(like, (*trail, name)).items() if key not in OWN[section]}
        merged = merge(base, entry)
        assert isinstance(merged, Mapping)
        return merged

    for name in raw:
        done[name] = resolve(name, ())
    return done


def _at(documents: Sequence[Document], path: tuple[str, ...], what: str, instead: str) -> Problem:
    document = next((each for each in reversed(documents) if each.has(path)), documents[-1])
    _, (line, column) = document.place(path)
    return Problem(file=document.name, line=line, column=column, what=what, instead=instead)
