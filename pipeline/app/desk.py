"""What every command over a manifest needs: the manifest, its inputs, its plan and the ledger, opened in this order."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

from pipeline.app.checking import catalogue_of
from pipeline.app.options import Choice
from pipeline.app.world import World, output_of
from pipeline.catalogue import DatedCatalogue
from pipeline.domain.digest import Digest, Json
from pipeline.domain.errors import FeedGuardError, PipelineError, UserError
from pipeline.domain.record import PAID, SKETCH, Space
from pipeline.domain.secret import Secret
from pipeline.domain.step import AssetName
from pipeline.inputs import InputDesk
from pipeline.ledger import Ledger, open_ledger
from pipeline.manifest import load
from pipeline.manifest.model import Guard, Manifest, ProviderSpec, SecretRef, Source
from pipeline.plan import Difference, Plan, Resolved, make_plan, sources
from pipeline.provider import Downloader
from pipeline.store import Places

FETCHED_AT_ONCE = 8
"""Input URLs that are fetched side by side."""


@dataclass(slots=True, kw_only=True)
class ReadingDesk:
    """A manifest with its plan and a ledger to read. spaces: learned while it is open, by provider."""

    manifest: Manifest
    catalogue: DatedCatalogue
    places: Places
    inputs: InputDesk
    plan: Plan
    ledger: Ledger

    def space_of(self, provider: str) -> Space:
        """The key space of a provider, by its name in the manifest."""
        return space_of(self.manifest.providers[provider], self.ledger)

    def previous(self, names: Sequence[AssetName]) -> Mapping[AssetName, Mapping[str, Json]]:
        """The key parts each asset's present picture was asked with, to say what changed."""
        found: dict[AssetName, Mapping[str, Json]] = {}
        for space in {self.space_of(name) for name in self.plan.lanes}:
            found.update(self.ledger.previous_parts(self.manifest.name, names, space))
        return found


def input_names(desk: ReadingDesk, step: Resolved, found: Iterable[Difference]) -> dict[str, str]:
    """What files and URLs the digests of changed inputs are, as the manifest would name them, each with its digest's
    beginning: a photo that was replaced has the same name. Blocks."""
    names: dict[str, str] = {str(ref.digest): ref.source for ref in step.given.inputs if ref.source}
    for change in found:
        if change.part.startswith("image") or change.part == "mask":
            for digest in (change.old, change.new):
                sources = desk.ledger.memory.input_sources(Digest(str(digest))) if digest else ()
                names.update({str(digest): source for source, _ in sources[:1] if str(digest) not in names})
    return {digest: f"{near(name, desk.manifest.folder)} ({digest[:8]}…)" for digest, name in names.items()}


def near(source: str, folder: Path) -> str:
    """A source as the manifest would name it; of a file elsewhere its name."""
    if "://" in source:
        return source
    path = Path(source)
    return path.relative_to(folder.absolute()).as_posix() if path.is_relative_to(folder.absolute()) else path.name


def space_of(spec: ProviderSpec, ledger: Ledger) -> Space:
    """Where a provider's pictures belong: its own word, a free profile's sketch space, or what its answers taught."""
    if spec.space:
        return Space(spec.space)
    if spec.profile.free:
        return SKETCH
    return ledger.space_of(spec.base_url) or PAID


def load_manifest(choice: Choice, world: World) -> tuple[Manifest, DatedCatalogue]:
    """The checked manifest and the catalogue it was checked against. Raises ManifestError."""
    catalogue = catalogue_of(world)
    manifest = load(
        choice.manifest,
        environ=world.environ,
        sets=choice.sets,
        provider=choice.provider,
        catalogue=catalogue,
        strict=choice.strict,
    )
    return manifest, catalogue.overridden(manifest.catalogue) if manifest.catalogue else catalogue


def open_reading(choice: Choice, world: World, stack: ExitStack) -> ReadingDesk:
    """Opens everything for reading; *stack* closes it. Fetches input URLs. Blocks.

    Raises ManifestError, LedgerFault.
    """
    manifest, catalogue = load_manifest(choice, world)
    places = Places(output=output_of(choice.manifest, choice.output))
    cache = places.inputs if places.inputs.is_dir() else Path(stack.enter_context(tempfile.TemporaryDirectory()))
    inputs = InputDesk(cache)
    anyio.run(fetch_inputs, manifest, inputs)
    ledger = stack.enter_context(
        open_ledger(places.state, write=False, host=world.host, boot_id=world.boot, now=world.clock.now)
    )
    plan = make_plan(manifest, inputs, catalogue)
    return ReadingDesk(manifest=manifest, catalogue=catalogue, places=places, inputs=inputs, plan=plan, ledger=ledger)


async def fetch_inputs(manifest: Manifest, inputs: InputDesk) -> None:
    """Fetches every input URL once, side by side; one that cannot be had fails the assets that name it."""
    urls = [source for source in sources(manifest) if source.lower().startswith(("http://", "https://"))]
    if not urls:
        return
    allowed = tuple(dict.fromkeys(host for spec in manifest.providers.values() for host in spec.allow_private))
    downloader = Downloader(allow_private=allowed)
    limiter = anyio.CapacityLimiter(FETCHED_AT_ONCE)

    async def fetch(url: str) -> None:
        async with limiter:
            try:
                data = await downloader.fetch_input(url)
            except PipelineError as error:
                inputs.add_failed(url, str(error))
            else:
                inputs.add_fetched(url, data)

    async with anyio.create_task_group() as tasks:
        for url in urls:
            tasks.start_soon(fetch, url)


def secret_of(ref: SecretRef | None, world: World, folder: Path) -> Secret:
    """The secret a reference names; empty for none. Raises UserError when it is not there (and never shows it)."""
    if ref is None:
        return Secret("")
    if ref.kind == "env":
        value = world.environ.get(ref.name, "")
        if not value.strip():
            raise UserError(f"the environment variable {ref.name} is not set (export {ref.name}=…, it holds the key)")
        return Secret(value)
    path = folder / ref.name
    try:
        value = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the key file cannot be read (correct `api_key: file:…`)") from error
    if not value.strip():
        raise UserError(f"{path}: the key file is empty")
    return Secret(value)


def keys_of(manifest: Manifest, world: World) -> dict[str, Secret]:
    """The keys that are there, by provider; one that is missing is told when it is needed."""
    found: dict[str, Secret] = {}
    for name, spec in manifest.providers.items():
        with suppress(UserError):
            found[name] = secret_of(spec.api_key, world, manifest.folder)
    return {name: secret for name, secret in found.items() if secret}


def guard_feeds(manifest: Manifest, ledger: Ledger, *, accepted: bool) -> None:
    """Compares each guarded feed with the one of the last run. Raises FeedGuardError with the figures."""
    if accepted:
        return
    faults = [
        fault
        for source in manifest.sources.values()
        if source.guard
        for fault in guard_faults(source, ledger, manifest.name)
    ]
    if faults:
        raise FeedGuardError(
            "\n".join(f"{fault} (nothing was sent; if the feed is meant: --accept feed)" for fault in faults)
        )


def guard_faults(source: Source, ledger: Ledger, manifest: str) -> Iterable[str]:
    """What a feed's guard has against it, one line each."""
    guard = source.guard
    assert guard is not None
    if guard.min_rows is not None and source.total < guard.min_rows:
        yield f"{source.file}: {source.total} rows, the guard wants {guard.min_rows} at least"
    before = ledger.memory.feed(manifest, source.name)
    if before:
        yield from _drift(source, guard, before)


def _drift(source: Source, guard: Guard, before: Mapping[str, str]) -> Iterable[str]:
    removed = sum(key not in source.digests for key in before)
    changed = sum(source.digests.get(key, digest) != digest for key, digest in before.items())
    for count, bound, word in ((changed, guard.max_changed, "changed"), (removed, guard.max_removed, "removed")):
        if bound is not None and count > bound * len(before):
            yield (
                f"{source.file}: {count} of {len(before)} rows {word} since the last run ({count / len(before):.1%}),"
                f" the guard allows {bound:.0%}"
            )
