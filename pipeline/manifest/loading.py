"""A manifest's file → a checked `Manifest`, or every problem at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo, available_timezones

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import ManifestError
from pipeline.domain.money import MicroUsd
from pipeline.manifest.asked import Ground
from pipeline.manifest.axes import Feeds
from pipeline.manifest.hints import hint_at_text
from pipeline.manifest.model import Budget, Manifest, Notify, OutputSpec, RunSpec, Shot, Source
from pipeline.manifest.overrides import Override, lay_over
from pipeline.manifest.paths import check_distinct, check_name
from pipeline.manifest.places import Document, Problems, at, did_you_mean
from pipeline.manifest.providers import read_models, read_providers
from pipeline.manifest.schema import BudgetEntry, ManifestEntry, NotifyEntry, RunEntry
from pipeline.manifest.shots import read_shot
from pipeline.manifest.sources import columns_of, read_source
from pipeline.manifest.structure import structured
from pipeline.manifest.variables import expand_providers, secret
from pipeline.manifest.yaml_text import decoded, parse, read_bytes
from pipeline.ports import Catalogue


@runtime_checkable
class Overridable(Protocol):
    """A catalogue that a manifest may correct for itself."""

    def overridden(self, extra: Mapping[str, object]) -> Catalogue:
        """The catalogue with *extra* laid over it, key by key. Raises ManifestError with every fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What a manifest is read with. shown: the file as the user named it; only: the provider for everything."""

    shown: Path
    digest: Digest
    overrides: tuple[Override, ...]
    only: str | None
    catalogue: Catalogue
    strict: bool
    problems: Problems

    @property
    def folder(self) -> Path:
        return self.shown.absolute().parent


def load(
    path: Path | str,
    *,
    environ: Mapping[str, str],
    sets: Sequence[str] = (),
    provider: str | None = None,
    catalogue: Catalogue,
    strict: bool = False,
) -> Manifest:
    """The checked manifest. Blocks: reads the file and its feeds, looks whether named inputs exist; fetches nothing.

    environ: for `${VAR}`. sets: `PATH=VALUE` texts that override any value. provider: every model's provider.
    strict: rows of feeds that cannot be used are errors. Raises ManifestError with every problem, by position.
    """
    data = read_bytes(Path(path), str(path))
    document, complaints = parse(decoded(data, str(path)), str(path))
    problems = Problems(document)
    for place, what, instead in complaints:
        problems.error_at(place, what, instead)
    setting = _Setting(
        shown=Path(path),
        digest=digest_of(data),
        overrides=lay_over(document, sets, problems),
        only=provider,
        catalogue=catalogue,
        strict=strict,
        problems=problems,
    )
    entry = _entry(document, environ, setting)
    manifest = _manifest(entry, setting) if entry is not None else None
    problems.fail_if_any()
    assert manifest is not None, "an entry that cannot be read is reported"
    return manifest


def _entry(document: Document, environ: Mapping[str, str], setting: _Setting) -> ManifestEntry | None:
    data = expand_providers(document.data, environ, setting.only, setting.problems)
    return structured(data, setting.problems)


def _manifest(entry: ManifestEntry, setting: _Setting) -> Manifest:
    problems = setting.problems
    _check_top(entry, problems)
    catalogue = _catalogue(entry, setting)
    providers = read_providers(entry, setting.only, catalogue, setting.folder, problems)
    models = read_models(entry, providers, setting.only, catalogue, problems)
    sources = _sources(entry, setting)
    ground = Ground(
        folder=setting.folder,
        defaults=entry.defaults,
        feeds=Feeds(
            sources=sources,
            declared=frozenset(problems.declared("sources")),
            columns={name: columns_of(source) for name, source in sources.items()},
        ),
        models=models,
        text=entry.text,
        strict=setting.strict,
        overrides=setting.overrides,
        problems=problems,
    )
    return Manifest(
        name=entry.name,
        file=setting.shown,
        folder=setting.folder,
        digest=setting.digest,
        shots=_shots(entry, ground),
        providers=providers,
        models=models.specs,
        sources=sources,
        text=entry.text,
        budget=_budget(entry.budget),
        run=_run(entry.run, problems),
        output=OutputSpec(sidecar=entry.output.sidecar, xmp=entry.output.xmp),
        notify=_notify(entry.notify, setting),
        warnings=problems.warnings,
        catalogue=entry.catalogue,
    )


def _catalogue(entry: ManifestEntry, setting: _Setting) -> Catalogue:
    """The catalogue with the manifest's own data over it."""
    if not entry.catalogue or not isinstance(setting.catalogue, Overridable):
        return setting.catalogue
    try:
        return setting.catalogue.overridden(entry.catalogue)
    except ManifestError as error:
        for problem in error.problems:
            setting.problems.error(("catalogue",), f"{problem.file}: {problem.what}", problem.instead, key=True)
        return setting.catalogue


def _check_top(entry: ManifestEntry, problems: Problems) -> None:
    if entry.version != 1:
        problems.error(("version",), f"there is no version {entry.version} of manifests", "write 'version: 1'")
    check_name(entry.name, ("name",), "the name", problems)
    if not entry.shots and not at(problems.document.data, ("shots",)):
        problems.error(("shots",), "there are no shots", "add one: 'shots: {first: {prompt: …}}'", key=True)
    check_distinct([(name, ("shots", name)) for name in entry.shots], "shot", problems)
    hint_at_text(entry.text, problems)


def _sources(entry: ManifestEntry, setting: _Setting) -> dict[str, Source]:
    made: dict[str, Source] = {}
    for name, said in entry.sources.items():
        source = read_source(
            name,
            said,
            folder=setting.folder,
            shown_folder=setting.shown.parent,
            strict=setting.strict,
            problems=setting.problems,
        )
        if source is not None:
            made[name] = source
    return made


def _shots(entry: ManifestEntry, ground: Ground) -> tuple[Shot, ...]:
    made = [read_shot(name, said, ground) for name, said in entry.shots.items()]
    return tuple(shot for shot in made if shot is not None)


def _budget(said: BudgetEntry) -> Budget:
    return Budget(
        per_run=_micros(said.per_run),
        per_asset=_micros(said.per_asset),
        per_month=_micros(said.per_month),
        max_exposure=_micros(said.max_exposure),
        max_images=said.max_images,
        unpriced=said.unpriced,
    )


def _micros(amount: int | None) -> MicroUsd | None:
    return None if amount is None else MicroUsd(amount)


def _run(said: RunEntry, problems: Problems) -> RunSpec:
    usual = RunSpec()
    stop = said.stop_on
    return RunSpec(
        deadline=said.deadline,
        timezone=_timezone(said.timezone, problems),
        network_wait=usual.network_wait if said.network_wait is None else said.network_wait,
        failures_in_a_row=stop.failures_in_a_row or usual.failures_in_a_row,
        unknown_in_a_row=stop.unknown_in_a_row or usual.unknown_in_a_row,
    )


def _timezone(name: str | None, problems: Problems) -> str:
    if not name:
        return ""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        guess = did_you_mean(name, available_timezones(), listed=False) or "write it like Europe/Berlin"
        problems.error(("run", "timezone"), f"there is no time zone '{name}'", guess)
    return name


def _notify(said: Sequence[NotifyEntry], setting: _Setting) -> tuple[Notify, ...]:
    made: list[Notify] = []
    for index, entry in enumerate(said):
        webhook = secret(entry.webhook, ("notify", index, "webhook"), setting.folder, setting.problems)
        if webhook is not None:
            made.append(Notify(webhook=webhook, when=tuple(entry.when)))
    return tuple(made)
