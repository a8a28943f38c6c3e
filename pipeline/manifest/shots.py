"""Shots: what the entry and the defaults say, merged and checked, as values."""

from collections.abc import Mapping, Sequence
from functools import partial

from pipeline.domain.digest import Json
from pipeline.domain.step import Accept
from pipeline.manifest.asked import Ground, ShotRequests
from pipeline.manifest.axes import Matrix, read_matrix
from pipeline.manifest.cells import read_exclude, read_include, read_zip
from pipeline.manifest.hints import hint_at_edit
from pipeline.manifest.model import AxisValue, ChainStep, ModelSpec, Shot
from pipeline.manifest.paths import check_distinct, check_input, check_name, check_path, is_reserved
from pipeline.manifest.places import Loc
from pipeline.manifest.schema import AcceptEntry, ShotEntry, StepEntry
from pipeline.manifest.template import Expression, Template
from pipeline.manifest.wording import PATH_NAMES, Wording

MOST_IMAGES = 16


def read_shot(name: str, entry: ShotEntry, ground: Ground) -> Shot | None:
    """The shot; None when its prompt cannot be read. Everything wrong with it is reported."""
    return _Reader(name, entry, ground).shot()


class _Reader:
    """Reads one shot part by part; what is wrong with one does not keep the others from being read."""

    def __init__(self, name: str, entry: ShotEntry, ground: Ground) -> None:
        self._name = name
        self._entry = entry
        self._ground = ground
        self._problems = ground.problems
        self._loc: Loc = ("shots", name)
        self._said = partial(ground.where_said, name, entry)
        self._matrix = self._read_matrix()
        self._wording = Wording(matrix=self._matrix, text=ground.text, problems=ground.problems)

    def shot(self) -> Shot | None:
        """The whole shot; None when its prompt cannot be read."""
        check_name(self._name, self._loc, "shot", self._problems)
        prompt = self._prompt()
        images = self._templates(self._entry.images or self._ground.defaults.images or [], self._said("images"))
        mask = self._mask()
        chain = self._chain()
        path = self._path()
        where = self._where()
        model = self._model()
        requests = ShotRequests(name=self._name, entry=self._entry, ground=self._ground, matrix=self._matrix)
        requests.check(model)
        zipped, exclude, include = self._zip(), self._exclude(), self._include()
        if prompt is None:
            return None
        if images:
            hint_at_edit(prompt, self._said("prompt"), self._ground.text, self._problems)
        entry, defaults = self._entry, self._ground.defaults
        return Shot(
            name=self._name,
            axes=tuple(self._wording.usable(axis) for axis in self._matrix.axes),
            zip=zipped,
            where=where,
            exclude=exclude,
            include=include,
            prompt=prompt,
            images=images,
            mask=mask,
            default_params=defaults.params,
            params=entry.params,
            set_params=requests.set_params(),
            n=entry.n or defaults.n or 1,
            per_request=entry.per_request or defaults.per_request or 1,
            chain=chain,
            path=path,
            accept=_accept(defaults.accept, entry.accept),
            model=model.alias if model else None,
            line=self._problems.document.key_place(self._loc).line,
        )

    def _read_matrix(self) -> Matrix:
        written = self._ground.defaults.matrix if self._entry.matrix is None else self._entry.matrix
        return read_matrix(written or {}, self._said("matrix"), self._ground.feeds, self._ground.models)

    def _prompt(self) -> Template | None:
        source, loc = self._entry.prompt or self._ground.defaults.prompt, self._said("prompt")
        if source is None or not source.strip():
            what = f"shot '{self._name}' has no prompt" if source is None else "the prompt is empty"
            self._problems.error(loc, what, "add 'prompt: …'", key=source is None)
            return None
        return self._wording.template(source, loc)

    def _templates(self, sources: Sequence[str], loc: Loc, parents: int = 0) -> tuple[Template, ...]:
        """The input images. parents: pictures that go along besides them."""
        if len(sources) + parents > MOST_IMAGES:
            besides = " besides the picture before it" if parents else ""
            self._problems.error(loc, f"{len(sources)} images{besides} are too many", f"{MOST_IMAGES} in all at most")
        made: list[Template] = []
        for index, source in enumerate(sources):
            place: Loc = (*loc, index) if (*loc, index) in self._problems.document.values else loc
            template = self._wording.template(source, place)
            if template is not None:
                check_input(template, place, self._ground.folder, self._problems)
                made.append(template)
        return tuple(made)

    def _mask(self) -> Template | None:
        entry, defaults = self._entry, self._ground.defaults
        loc = self._said("mask")
        source = entry.mask or defaults.mask
        if source is not None and not (entry.images or defaults.images) and not self._is_broken("images"):
            self._problems.error(loc, f"shot '{self._name}' has a mask and no images", "add the image it belongs to")
        return self._mask_template(source, loc)

    def _mask_template(self, source: str | None, loc: Loc) -> Template | None:
        if source is None or not source.strip():
            return None
        template = self._wording.template(source, loc)
        if template is not None:
            check_input(template, loc, self._ground.folder, self._problems)
        return template

    def _is_broken(self, field: str) -> bool:
        return self._problems.is_broken((*self._loc, field)) or self._problems.is_broken(("defaults", field))

    def _steps(self) -> list[tuple[StepEntry, Loc]]:
        loc = self._said("chain")
        return [
            (step, (*loc, index)) for index, step in enumerate(self._entry.chain or self._ground.defaults.chain or [])
        ]

    def _chain(self) -> tuple[ChainStep, ...]:
        steps = self._steps()
        for step, loc in steps:
            check_name(step.id, (*loc, "id"), "edit", self._problems)
        check_distinct([(step.id, (*loc, "id")) for step, loc in steps if step.id], "edit", self._problems)
        made = [self._chain_step(step, loc) for step, loc in steps]
        return tuple(step for step in made if step is not None)

    def _chain_step(self, step: StepEntry, loc: Loc) -> ChainStep | None:
        if not step.prompt.strip():
            self._problems.error((*loc, "prompt"), f"the prompt of edit '{step.id}' is empty", "say what to change")
        prompt = self._wording.template(step.prompt, (*loc, "prompt"))
        images = self._templates(step.images, (*loc, "images"), parents=1)
        mask = self._mask_template(step.mask, (*loc, "mask"))
        if step.model is not None:
            self._ground.models.find(step.model, (*loc, "model"))
        if prompt is None:
            return None
        hint_at_edit(prompt, (*loc, "prompt"), self._ground.text, self._problems)
        return ChainStep(
            id=step.id,
            prompt=prompt,
            images=images,
            mask=mask,
            params=step.params,
            accept=_accept(self._ground.defaults.accept, self._entry.accept, step.accept),
            model=step.model,
        )

    def _path(self) -> Template | None:
        source, loc = self._entry.path or self._ground.defaults.path, self._said("path")
        if source is None:
            if is_reserved([self._name, *self._matrix.names]):
                self._problems.error(self._loc, f"'{self._name}' is reserved for the sheet", "rename it", key=True)
            return None
        template = self._wording.template(source, loc, PATH_NAMES)
        if template is not None:
            check_path(template, loc, self._problems)
        return template

    def _where(self) -> Expression | None:
        source = self._entry.where or self._ground.defaults.where
        return None if source is None else self._wording.condition(source, self._said("where"))

    def _zip(self) -> tuple[tuple[str, ...], ...]:
        groups = self._ground.defaults.zip if self._entry.zip is None else self._entry.zip
        return read_zip(groups or [], self._said("zip"), self._matrix, self._problems)

    def _exclude(self) -> tuple[Mapping[str, Json], ...]:
        entries = self._ground.defaults.exclude if self._entry.exclude is None else self._entry.exclude
        return read_exclude(entries or [], self._said("exclude"), self._matrix, self._problems)

    def _include(self) -> tuple[tuple[AxisValue, ...], ...]:
        entries = self._ground.defaults.include if self._entry.include is None else self._entry.include
        return read_include(entries or [], self._said("include"), self._matrix, self._ground.models)

    def _model(self) -> ModelSpec | None:
        """The model of all cells; None when an axis chooses it."""
        models = self._ground.models
        if self._matrix.axis("model") is not None:
            if self._entry.model is not None:
                what = "the model is said here and by the axis 'model'"
                self._problems.error((*self._loc, "model"), what, "remove one of them", key=True)
            return None
        named = self._entry.model or self._ground.defaults.model
        if named is not None:
            return models.find(named, self._said("model"))
        if models.usual is None and not self._problems.is_broken(("models",)) and not self._is_broken("model"):
            known = ", ".join(sorted(models.aliases))
            instead = f"add 'model: …', one of {known}" if known else "add 'model: …' or models:"
            self._problems.error(self._loc, f"shot '{self._name}' does not say which model", instead, key=True)
        return models.specs.get(models.usual or "")


def _accept(*said: AcceptEntry | None) -> Accept:
    """What is said last for each of the two."""
    accept = Accept()
    for entry in said:
        if entry is not None:
            accept = Accept(size=entry.size or accept.size, format=entry.format or accept.format)
    return accept
