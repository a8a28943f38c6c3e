"""Providers and models: what a manifest says laid over the catalogue's profiles, and names resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.domain.capability import Limits, Profile, Timeout
from pipeline.domain.digest import Json
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import Protocol
from pipeline.manifest.base_url import base_of
from pipeline.manifest.model import ModelSpec, ProviderSpec, Retry
from pipeline.manifest.places import Loc, Place, Problems, did_you_mean
from pipeline.manifest.schema import LimitsEntry, ManifestEntry, ModelEntry, ProviderEntry, RetryEntry, TimeoutEntry
from pipeline.manifest.variables import secret
from pipeline.ports import Catalogue

SKETCH = "sketch"
EMBEDDED = "embedded:"
"""Base URL of the gateway in this process."""

_USUAL_PRESET = "openai"
_USUAL_ALIAS = "main"
_USUAL_MODEL = "gpt-image-2"
"""What a manifest without providers, models and `model:` means on the sketch."""


def read_providers(
    entry: ManifestEntry, only: str | None, catalogue: Catalogue, folder: Path, problems: Problems
) -> dict[str, ProviderSpec]:
    """Every usable provider by name, always with `sketch`. only: the one that everything runs on, if it is set."""
    made: dict[str, ProviderSpec] = {}
    for name, said in {SKETCH: ProviderEntry(), **entry.providers}.items():
        if only is not None and name not in {only, SKETCH}:
            continue
        spec = _provider(name, said, catalogue, folder, problems)
        if spec is not None:
            made[name] = spec
    known = (*problems.declared("providers"), SKETCH)
    if only is not None and only not in known:
        problems.error_at(Place(f"--provider {only}"), f"there is no provider '{only}'", did_you_mean(only, known))
    return made


def _provider(
    name: str, said: ProviderEntry, catalogue: Catalogue, folder: Path, problems: Problems
) -> ProviderSpec | None:
    loc: Loc = ("providers", name)
    # A key written out is told whatever else is wrong: it is the fault that must not be overlooked.
    api_key = secret(said.api_key, (*loc, "api_key"), folder, problems) if said.api_key is not None else None
    profile = _profile(name, said, loc, catalogue, problems)
    if profile is None:
        return None
    base_url = _base_url(name, said, profile, loc, problems)
    limits = _limits(profile.limits, said.limits)
    protocol = said.protocol or profile.protocol
    return ProviderSpec(
        name=name,
        preset=profile.name,
        profile=replace(profile, base_url=base_url, protocol=protocol, limits=limits, stream=said.stream == "auto"),
        base_url=base_url,
        protocol=protocol,
        api_key=api_key,
        timeout=_timeout(said.timeout),
        stream=said.stream,
        limits=limits,
        retry=_retry(said.retry),
        on_unknown=said.on_unknown,
        max_buys=said.max_buys,
        space=said.space,
        allow_private=tuple(host.strip().lower() for host in said.allow_private),
    )


def _profile(name: str, said: ProviderEntry, loc: Loc, catalogue: Catalogue, problems: Problems) -> Profile | None:
    if problems.is_broken((*loc, "preset")):
        return None
    if said.preset is not None:
        profile = catalogue.profile(said.preset)
        if profile is None:
            guess = did_you_mean(said.preset, catalogue.presets())
            problems.error((*loc, "preset"), f"there is no preset '{said.preset}'", guess)
        return profile
    named = catalogue.profile(name)
    if named is not None:
        return named
    usual = catalogue.profile(_USUAL_PRESET) or Profile(name=_USUAL_PRESET)
    return replace(usual, base_url="", limits=Limits())


def _base_url(name: str, said: ProviderEntry, profile: Profile, loc: Loc, problems: Problems) -> str:
    written = said.base_url
    if problems.is_broken((*loc, "base_url")):
        return ""
    if not written:
        if not profile.base_url:
            problems.error(
                loc, f"provider '{name}' has no base_url", "add 'base_url: https://HOST/v1' or a preset", key=True
            )
        return profile.base_url
    if written == EMBEDDED and profile.free:
        return EMBEDDED
    try:
        return base_of(written, profile.base_url)
    except ValueError as error:
        what, _, instead = str(error).partition(": ")
        problems.error((*loc, "base_url"), f"base_url cannot be used: {what}", instead)
        return ""


def _limits(known: Limits, said: LimitsEntry) -> Limits:
    return Limits(
        concurrency=said.concurrency or known.concurrency,
        requests_per_minute=said.requests_per_minute or known.requests_per_minute,
        images_per_minute=said.images_per_minute or known.images_per_minute,
        tokens_per_minute=said.tokens_per_minute or known.tokens_per_minute,
        images_per_day=said.images_per_day or known.images_per_day,
    )


def _timeout(said: TimeoutEntry) -> Timeout:
    usual = Timeout()
    return Timeout(connect=said.connect or usual.connect, total=said.total or usual.total, idle=said.idle or usual.idle)


def _retry(said: RetryEntry) -> Retry:
    usual = Retry()
    first = usual.first_wait if said.first_wait is None else said.first_wait
    longest = usual.longest_wait if said.longest_wait is None else said.longest_wait
    return Retry(attempts=said.attempts or usual.attempts, first_wait=first, longest_wait=max(first, longest))


@dataclass(slots=True, kw_only=True)
class Models:
    """Aliases of a manifest, and the models that shots name without one; found ones are in `specs`."""

    specs: dict[str, ModelSpec]
    aliases: frozenset[str]
    providers: Mapping[str, ProviderSpec]
    sole: str | None
    only: str | None
    catalogue: Catalogue
    problems: Problems

    @property
    def usual(self) -> str | None:
        """The alias that is meant where none is named: `main`, or the only one."""
        if _USUAL_ALIAS in self.aliases:
            return _USUAL_ALIAS
        return next(iter(self.aliases)) if len(self.aliases) == 1 else None

    def find(self, name: str, loc: Loc) -> ModelSpec | None:
        """The model of that alias, or the catalogue's model of that name at the only provider.

        Reports an unknown one; None then, and where the alias is broken.
        """
        if name in self.aliases:
            return self.specs.get(name)
        home = self.only or self.sole or ""
        sole = self.providers.get(home)
        if home and sole is None:
            return None  # the provider is broken, which is reported
        if sole is not None and self._is_known(sole.profile, name):
            self.specs[name] = ModelSpec(
                alias=name, provider=sole.name, model=name, protocol=sole.protocol, params={}, price=None
            )
            self.aliases |= {name}
            return self.specs[name]
        listed = bool(self.problems.declared("models"))
        guess = did_you_mean(name, self.aliases, listed=listed) or "name it under models:"
        self.problems.error(loc, f"there is no model '{name}'", guess)
        return None

    def _is_known(self, profile: Profile, name: str) -> bool:
        """Whether the catalogue has such a model: a typing error must not become a request."""
        paid = replace(profile, free=False)
        return self.catalogue.quote(paid, name, {}, prompt_chars=0, input_sizes=(), count=1) is not None


def read_models(
    entry: ManifestEntry,
    providers: Mapping[str, ProviderSpec],
    only: str | None,
    catalogue: Catalogue,
    problems: Problems,
) -> Models:
    """The models by alias. only: the provider that everything runs on, if one is set."""
    declared = problems.declared("providers")
    sole = SKETCH if not declared else declared[0] if len(declared) == 1 else None
    specs: dict[str, ModelSpec] = {}
    for alias, said in entry.models.items():
        home = _home(alias, said, sole, problems)
        target = providers.get(only or home or "")
        if home is not None and target is not None:
            specs[alias] = _model(alias, said, target, _protocol(said, home, target, entry, catalogue))
    aliases = frozenset(problems.declared("models"))
    if not aliases and not declared:
        target = providers.get(only or SKETCH)
        aliases = frozenset({_USUAL_ALIAS})
        if target is not None:
            specs[_USUAL_ALIAS] = _model(_USUAL_ALIAS, ModelEntry(model=_USUAL_MODEL), target, target.protocol)
    return Models(
        specs=specs, aliases=aliases, providers=providers, sole=sole, only=only, catalogue=catalogue, problems=problems
    )


def _home(alias: str, said: ModelEntry, sole: str | None, problems: Problems) -> str | None:
    """The provider that the manifest gives this model."""
    loc: Loc = ("models", alias)
    declared = problems.declared("providers")
    if said.provider is None and sole is None:
        problems.error(loc, f"model '{alias}' names no provider", f"add one of {', '.join(declared)}", key=True)
        return None
    name = said.provider or sole
    if name in declared or name == SKETCH:
        return name
    problems.error((*loc, "provider"), f"there is no provider '{name}'", did_you_mean(str(name), (*declared, SKETCH)))
    return None


def _protocol(
    said: ModelEntry, home: str, target: ProviderSpec, entry: ManifestEntry, catalogue: Catalogue
) -> Protocol:
    """The protocol of a model. A rehearsal keeps the one it is meant for, so that it shows what will be asked."""
    if said.protocol is not None:
        return said.protocol
    at_home = entry.providers.get(home)
    if at_home is None or not target.profile.free:
        return target.protocol
    profile = catalogue.profile(at_home.preset or home)
    return at_home.protocol or (profile.protocol if profile else target.protocol)


def _model(alias: str, said: ModelEntry, target: ProviderSpec, protocol: Protocol) -> ModelSpec:
    params: dict[str, Json] = dict(said.params)
    price = None if said.price is None else MicroUsd(said.price)
    return ModelSpec(alias=alias, provider=target.name, model=said.model, protocol=protocol, params=params, price=price)
