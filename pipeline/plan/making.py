"""Manifest, digests of its inputs and catalogue in; a plan out: pure, lazy, the same on every machine."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

from pipeline.domain.digest import Digest
from pipeline.domain.errors import InputFault, ManifestError
from pipeline.manifest.model import ChainStep, Manifest, Shot
from pipeline.matrix import Matrix
from pipeline.plan.asking import Asking, Measure, SourceDesk
from pipeline.plan.cell import PlannedCell, PlannedShot
from pipeline.plan.collisions import place_problems
from pipeline.plan.resolver import matches
from pipeline.ports import Catalogue, Inputs


class Plan:
    """What a manifest wants, cell by cell; nothing of it is held but what the cells of a shot share."""

    def __init__(self, manifest: Manifest, shots: Sequence[PlannedShot]) -> None:
        self.manifest = manifest
        self.shots = tuple(shots)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Every provider that makes a picture of this plan, in the order of first use."""
        used = (recipe.provider for shot in self.shots for recipes in shot.recipes.values() for recipe in recipes)
        return tuple(dict.fromkeys(used))

    def cells(self, provider: str | None = None) -> Iterator[PlannedCell]:
        """Cells for the scheduler: shots with the longest chain first, then the manifest's order.

        provider: only cells whose base picture this provider makes.
        """
        for shot in sorted(self.shots, key=lambda each: -len(each.step_ids)):
            yield from _cells(shot, provider)

    def cells_in_order(self) -> Iterator[PlannedCell]:
        """Cells as people wrote them: the manifest's order."""
        for shot in self.shots:
            yield from _cells(shot, None)

    def totals(self, only: Sequence[str] = ()) -> tuple[tuple[str, int], ...]:
        """Wanted assets per shot, in the manifest's order. only: patterns of names; the parents they need count too."""
        if only:
            return tuple(
                (shot.shot.name, sum(_wanted(cell, only) for cell in _cells(shot, None))) for shot in self.shots
            )
        return tuple((shot.shot.name, shot.matrix.count() * shot.steps_per_cell) for shot in self.shots)


def make_plan(manifest: Manifest, inputs: Inputs, catalogue: Catalogue, *, measure: Measure | None = None) -> Plan:
    """The plan of a manifest. Files are hashed when a cell that names them is walked, each once.

    measure: width and height in pixels of an input source, for prices; without it 1024 x 1024 is taken.
    Raises ManifestError with every output path that is taken twice, is reserved or leaves the folder.
    """
    desk = SourceDesk(folder=Path(manifest.folder), digest=inputs.digest, measure=measure)
    shots = [PlannedShot(manifest, shot, catalogue, desk) for shot in manifest.shots]
    problems = place_problems(shots, str(manifest.file))
    if problems:
        raise ManifestError(problems)
    return Plan(manifest, shots)


def sources(manifest: Manifest) -> Iterator[str]:
    """Every input source the manifest's cells name, each once: absolute paths and http(s) URLs.

    For fetching URLs before planning; broken rows and templates that cannot be rendered name nothing.
    """
    desk = SourceDesk(folder=Path(manifest.folder), digest=_unread)
    named = (source for shot in manifest.shots for source in _shot_sources(manifest, shot, desk))
    return iter(dict.fromkeys(named))


def _shot_sources(manifest: Manifest, shot: Shot, desk: SourceDesk) -> Iterator[str]:
    """The sources of one shot, looked at once per combination of the axes that its images name."""
    steps: tuple[Shot | ChainStep, ...] = (shot, *shot.chain)
    templates = [template for step in steps for template in (*step.images, step.mask) if template]
    if not templates:
        return
    used = [at for at, axis in enumerate(shot.axes) if any(axis.name in template.names for template in templates)]
    askings = [Asking(shot, depth, manifest.text, desk) for depth in range(len(shot.chain) + 1)]
    seen: set[tuple[str, ...]] = set()
    for cell in Matrix(shot, manifest.text).cells():
        combination = tuple([cell[at].key for at in used])
        if combination not in seen and not any(value.problem for value in cell):
            seen.add(combination)
            for asking in askings:
                yield from asking.sources(cell)


def _cells(shot: PlannedShot, provider: str | None) -> Iterator[PlannedCell]:
    models = None if provider is None else shot.aliases_at(provider)
    if models is not None and not models:
        return
    yield from map(PlannedCell, repeat(shot), shot.matrix.cells(models))


def _unread(source: str) -> Digest:
    raise InputFault(f"{source} is not read yet")


def _wanted(cell: PlannedCell, only: Sequence[str]) -> int:
    """Assets of a cell that patterns of names ask for: of each candidate all up to the deepest that matches."""
    depths = len(cell.plan.step_ids)
    return sum(
        max((depth + 1 for depth in range(depths) if matches(cell.asset(candidate, depth), only)), default=0)
        for candidate in range(1, cell.plan.shot.n + 1)
    )
