"""A planned cell: values and a compiled shot, from which steps are made when somebody asks for them."""

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.domain.errors import PipelineError
from pipeline.domain.step import AssetName, Step
from pipeline.manifest.model import Manifest, Shot
from pipeline.matrix import MODEL_AXIS, Cell, Matrix
from pipeline.plan.asking import FAULT, Asked, Asking, SourceDesk
from pipeline.plan.naming import Naming, asset_name
from pipeline.plan.recipe import Recipe, recipe
from pipeline.ports import Catalogue


class PlannedShot:
    """A shot compiled for planning: everything that its cells share."""

    def __init__(self, manifest: Manifest, shot: Shot, catalogue: Catalogue, desk: SourceDesk) -> None:
        self.shot = shot
        self.matrix = Matrix(shot, manifest.text)
        self.naming = Naming(shot, manifest.text)
        self.axes = tuple(axis.name for axis in shot.axes)
        depths = range(len(shot.chain) + 1)
        self.askings = tuple(Asking(shot, depth, manifest.text, desk) for depth in depths)
        self.step_ids = ("", *(step.id for step in shot.chain))
        self.is_single = not shot.chain
        self.candidates = range(1, shot.n + 1)
        self.packs = shot.per_request > 1
        self._model_at = self.axes.index(MODEL_AXIS) if MODEL_AXIS in self.axes else None
        self.recipes: Mapping[str, tuple[Recipe, ...]] = {
            alias: tuple(recipe(manifest, catalogue, shot, alias, depth) for depth in depths)
            for alias in self._aliases()
        }
        self._only = None if self._model_at is not None else next(iter(self.recipes.values()))
        self.may_fail = shot.where is not None or any(
            value.problem for values in (*(axis.values for axis in shot.axes), *shot.include) for value in values
        )
        self.paths_seen(whole=shot.path is None)

    def paths_seen(self, *, whole: bool) -> None:
        """Is told whether every cell has a path; until then a row may lack what its template needs."""
        self.path_may_fail = not whole
        # Nothing to ask of such a shot's cells but the prompt and its pictures, as with most by far.
        self.is_plain = self.is_single and not self.may_fail and whole

    def _aliases(self) -> tuple[str, ...]:
        """The model aliases this shot's cells may have, in the order of the axis."""
        if self._model_at is None:
            return (self.shot.model or "",)
        included = (cell[self._model_at].key for cell in self.shot.include)
        axis = (value.key for value in self.shot.axes[self._model_at].values)
        return tuple(dict.fromkeys((*axis, *included)))

    def recipes_of(self, values: Cell) -> tuple[Recipe, ...]:
        """What each depth of this cell says to its model."""
        if self._only is not None or self._model_at is None:
            return self._only or ()
        return self.recipes[values[self._model_at].key]

    def aliases_at(self, provider: str) -> frozenset[str]:
        """The aliases whose base picture this provider makes."""
        return frozenset(alias for alias, recipes in self.recipes.items() if recipes[0].provider == provider)

    @property
    def steps_per_cell(self) -> int:
        """Assets of one cell: candidates times the base picture and its edits."""
        return self.shot.n * len(self.step_ids)


class PlannedCell(NamedTuple):
    """One cell of a plan. values: in the order of the axes as written. Everything else is made when it is asked for:
    a million cells are a million small values, one after another, never a list of steps. A tuple, since nothing that
    cannot be changed is made faster."""

    plan: PlannedShot
    values: Cell

    @property
    def shot(self) -> str:
        """The shot's name."""
        return self.plan.shot.name

    @property
    def axes(self) -> tuple[tuple[str, str], ...]:
        """(axis name, key) in the order of the axes as written."""
        return tuple((name, value.key) for name, value in zip(self.plan.axes, self.values, strict=True))

    @property
    def problem(self) -> str:
        """Why no asset of this cell can be asked: a broken row of a feed; empty otherwise."""
        return next((f"{FAULT}{value.problem}" for value in self.values if value.problem), "")

    @property
    def chains(self) -> tuple[tuple[Step, ...], ...]:
        """Per candidate its base picture and edits, parents first."""
        asked = self.asked()
        depths = range(len(asked))
        return tuple(
            tuple(self._step(candidate, depth, asked[depth]) for depth in depths) for candidate in self.plan.candidates
        )

    def asked(self) -> tuple[Asked, ...]:
        """What each depth asks, rendered. A problem is passed on to every later depth: it has no picture to edit."""
        plan = self.plan
        if plan.is_plain:
            return (plan.askings[0].asked(self.values),)
        problem = self.problem or (self._path_problem() if plan.path_may_fail else "")
        asked: list[Asked] = []
        for asking in plan.askings:
            asked.append(Asked(problem=problem) if problem else asking.asked(self.values))
            problem = asked[-1].problem
        return tuple(asked)

    def step(self, candidate: int, depth: int, asked: Asked | None = None) -> Step:
        """One step of this cell. asked: what `asked()` gave for that depth, where it is at hand."""
        return self._step(candidate, depth, asked or self.asked()[depth])

    def asset(self, candidate: int, depth: int) -> AssetName:
        """The name of one asset of this cell."""
        return asset_name(self.plan.naming.base(self.values), candidate, self.plan.step_ids[depth])

    def path(self, candidate: int, depth: int) -> str:
        """Where the picture goes. Raises PipelineError as `Naming.path` does."""
        return self.plan.naming.path(self.values, candidate, self.plan.step_ids[depth])

    def place(self, candidate: int, depth: int) -> str:
        """The same; a cell that cannot be asked still has a place to be listed at."""
        try:
            return self.path(candidate, depth)
        except PipelineError:
            return self.plan.naming.default_path(self.values, candidate, self.plan.step_ids[depth])

    def _step(self, candidate: int, depth: int, asked: Asked) -> Step:
        plan, shot = self.plan, self.plan.shot
        recipe = plan.recipes_of(self.values)[depth]
        return Step(
            asset=self.asset(candidate, depth),
            shot=shot.name,
            axes=self.axes,
            step_id=plan.step_ids[depth],
            depth=depth,
            candidate=candidate,
            remaining=len(plan.step_ids) - 1 - depth,
            provider=recipe.provider,
            model_alias=recipe.alias,
            model=recipe.model,
            protocol=recipe.protocol,
            params=recipe.params,
            prompt=asked.prompt,
            inputs=asked.given.inputs,
            parent=self.asset(candidate, depth - 1) if depth else None,
            path=self.place(candidate, depth),
            accept=shot.chain[depth - 1].accept if depth else shot.accept,
            per_request=1 if depth else shot.per_request,
            problem=asked.problem,
        )

    def _path_problem(self) -> str:
        """A path that cannot be rendered for this row; one that is no path at all was an error of the manifest."""
        try:
            self.path(1, 0)
        except PipelineError as error:
            return f"{FAULT}path: {error}"
        return ""
