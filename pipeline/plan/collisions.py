"""Two assets must never want one file: found before anything is sent, without a list of a million names."""

from collections.abc import Iterator, Sequence

from pipeline.domain.errors import PipelineError, Problem, UserError
from pipeline.domain.step import AssetName
from pipeline.manifest.model import AxisValue
from pipeline.plan.cell import PlannedCell, PlannedShot
from pipeline.plan.places import EXTENSIONS, folded, reserved

SHOWN = 20
"""Problems of one kind listed before the rest is only counted."""


def place_problems(shots: Sequence[PlannedShot], file: str) -> list[Problem]:
    """Every path that is taken twice, is reserved or leaves the folder, as problems of the manifest.

    Default paths are made of keys that are unique per axis, so that they are judged by their axes alone; only shots
    with a ``path`` template, and the few shapes of default names that might meet, are walked cell by cell.
    """
    problems = list(_reserved_shots(shots, file))
    if any(_must_walk(shot, shots) for shot in shots):
        problems += _Walk(shots, file).problems()
    return problems


def _reserved_shots(shots: Sequence[PlannedShot], file: str) -> Iterator[Problem]:
    for shot in shots:
        name = shot.shot.name
        taken = reserved(folded(name if not shot.axes else f"{name}/x"))
        if taken and shot.shot.path is None:
            yield Problem(
                file=file,
                line=shot.shot.line,
                column=1 if shot.shot.line else 0,
                what=f"shot {name} would be written to the reserved name {taken}",
                instead="rename the shot or give it a `path`",
            )


def _must_walk(shot: PlannedShot, shots: Sequence[PlannedShot]) -> bool:
    """Whether this shot's names alone do not prove that its paths meet nobody's."""
    name = folded(shot.shot.name)
    others = [folded(other.shot.name) for other in shots if other is not shot]
    if shot.shot.path is not None or name in others:
        return True
    last = _keys(shot, len(shot.axes) - 1) if shot.axes else [name, *others]
    return _ambiguous(shot) or _numbered(last, shot) or any(each.endswith(EXTENSIONS) for each in last)


def _numbered(last: Sequence[str], shot: PlannedShot) -> bool:
    """Candidate 2 of ``a`` is ``a-2``, which may also be a key."""
    known = frozenset(last)
    return any(f"{each}-{candidate}" in known for each in known for candidate in range(2, shot.shot.n + 1))


def _ambiguous(shot: PlannedShot) -> bool:
    """Two keys of one axis with one slug (an included value may repeat one, as long as it is the same key)."""
    for position in range(len(shot.axes)):
        values = {value.key: folded(value.slug) for value in _values(shot, position)}
        if len(set(values.values())) != len(values):
            return True
    return False


def _values(shot: PlannedShot, position: int) -> Iterator[AxisValue]:
    yield from shot.shot.axes[position].values
    yield from (cell[position] for cell in shot.shot.include)


def _keys(shot: PlannedShot, position: int) -> list[str]:
    return [folded(value.slug) for value in _values(shot, position)]


class _Walk:
    """All paths of a plan as 64-bit numbers; what was met twice is looked at again, by name."""

    def __init__(self, shots: Sequence[PlannedShot], file: str) -> None:
        self._shots = shots
        self._file = file
        self._faults: list[Problem] = []
        self._more = 0

    def problems(self) -> list[Problem]:
        seen: set[int] = set()
        twice: set[int] = set()
        folders: set[int] = set()
        for _, _, _, path in self._paths(telling=True):
            at = hash(path)
            (twice if at in seen else seen).add(at)
            if "." in path:
                folders.update(hash(stem) for stem in _stems_of_folders(path))
        twice |= folders & seen
        if twice:
            self._name(twice)
        if self._more:
            self._faults.append(Problem(file=self._file, line=0, column=0, what=f"and {self._more:,} more like these"))
        return self._faults

    def _paths(self, *, telling: bool) -> Iterator[tuple[PlannedCell, int, int, str]]:
        """Cell, candidate, depth and folded path of everything that may be written."""
        for shot in self._shots:
            whole = True
            for values in shot.matrix.cells():
                cell = PlannedCell(shot, values)
                if not (shot.may_fail and cell.problem):
                    try:
                        yield from self._cell_paths(cell, telling=telling)
                    except PipelineError:
                        whole = False
            shot.paths_seen(whole=whole)

    def _cell_paths(self, cell: PlannedCell, *, telling: bool) -> Iterator[tuple[PlannedCell, int, int, str]]:
        """Raises PipelineError where the path of a row cannot be rendered."""
        for candidate in cell.plan.candidates:
            for depth in range(len(cell.plan.step_ids)):
                try:
                    path = folded(cell.path(candidate, depth))
                except UserError as error:
                    if telling:
                        self._fault(cell.plan, f"{cell.asset(candidate, depth)}: {error}", "use keys and `/` only")
                    return
                if telling and (taken := reserved(path)):
                    self._fault(cell.plan, f"{cell.asset(candidate, depth)} takes the reserved name {taken}", "")
                yield cell, candidate, depth, path

    def _name(self, twice: set[int]) -> None:
        """Goes through the plan again and names both sides of each collision."""
        owners: dict[str, AssetName] = {}
        stems: dict[str, AssetName] = {}
        for cell, candidate, depth, path in self._paths(telling=False):
            if hash(path) in twice:
                asset = cell.asset(candidate, depth)
                if path in owners:
                    self._clash(cell.plan, owners[path], asset, path)
                owners.setdefault(path, asset)
            for stem in _stems_of_folders(path):
                if hash(stem) in twice:
                    stems.setdefault(stem, cell.asset(candidate, depth))
        for stem, asset in stems.items():
            if stem in owners:
                self._clash(self._shots[0], owners[stem], asset, f"{stem} as a file and as a folder")

    def _clash(self, shot: PlannedShot, one: AssetName, other: AssetName, path: str) -> None:
        self._fault(shot, f"{one} and {other} would both be written to {path}", "let `path` name every axis")

    def _fault(self, shot: PlannedShot, what: str, instead: str) -> None:
        if len(self._faults) >= SHOWN:
            self._more += 1
            return
        line = shot.shot.line
        self._faults.append(Problem(file=self._file, line=line, column=1 if line else 0, what=what, instead=instead))


def _stems_of_folders(path: str) -> Iterator[str]:
    """For a path with a folder called ``a.png``: the stem ``a``, whose file would have the folder's name."""
    folder, _, _ = path.rpartition("/")
    while folder:
        for extension in EXTENSIONS:
            if folder.endswith(extension):
                yield folder[: -len(extension)]
        folder, _, _ = folder.rpartition("/")
