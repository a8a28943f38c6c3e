"""`validate`: what a manifest's own text, the catalogue and the feeds can tell; nothing is fetched or sent."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.app.world import World
from pipeline.catalogue import DatedCatalogue, load_catalogue
from pipeline.domain.digest import Json
from pipeline.domain.errors import ManifestError, Problem
from pipeline.inputs import InputDesk
from pipeline.manifest import load
from pipeline.manifest.model import Manifest
from pipeline.plan import make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in one manifest."""

    file: Path
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "manifest": str(self.file),
            "ok": not self.problems,
            "problems": [str(problem) for problem in self.problems],
            "warnings": [str(warning) for warning in self.warnings],
        }


def catalogue_of(world: World) -> DatedCatalogue:
    """The catalogue of the package with the user's own file (``PIPELINE_CATALOGUE``) laid over it."""
    named = world.environ.get("PIPELINE_CATALOGUE")
    return load_catalogue(user_file=Path(named) if named else None, today=world.clock.now().date())


def validate_manifests(
    manifests: Sequence[Path], world: World, *, sets: Sequence[str], provider: str | None, strict: bool
) -> tuple[Checked, ...]:
    """Checks each manifest; never raises for what is wrong with one of them."""
    catalogue = catalogue_of(world)
    return tuple(_check(file, world, catalogue, sets=sets, provider=provider, strict=strict) for file in manifests)


def _check(
    file: Path, world: World, catalogue: DatedCatalogue, *, sets: Sequence[str], provider: str | None, strict: bool
) -> Checked:
    try:
        manifest = load(file, environ=world.environ, sets=sets, provider=provider, catalogue=catalogue, strict=strict)
        _place(manifest, catalogue)
    except ManifestError as error:
        return Checked(file=file, problems=error.problems)
    return Checked(file=file, warnings=manifest.warnings)


def _place(manifest: Manifest, catalogue: DatedCatalogue) -> None:
    """Raises ManifestError with every output path that two assets want; reads no photo and asks for none."""
    with tempfile.TemporaryDirectory() as folder:
        make_plan(manifest, InputDesk(Path(folder)), catalogue.overridden(manifest.catalogue))
