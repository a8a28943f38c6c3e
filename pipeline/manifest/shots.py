"""Shots: what the entry and the defaults say, merged and checked, as values."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from pipeline.domain.digest import Json
from pipeline.domain.step import Accept
from pipeline.manifest.asked import Ground, ShotRequests, said
from pipeline.manifest.axes import Matrix, read_matrix
from pipeline.manifest.cells import read_exclude, read_include, read_zip
from pipeline.manifest.hints import hint_at_edit
from pipeline.manifest.model import Axis, AxisValue, ChainStep, ModelSpec, Shot
from pipeline.manifest.paths import check_distinct, check_input, check_name, check_path, is_reserved
from pipeline.manifest.places import Loc
from pipeline.manifest.schema import AcceptEntry, ShotEntry, StepEntry
from pipeline.manifest.template import Expression, Template, TemplateFault, context
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
        self._wording = Wording(matrix=self._matrix, feeds=ground.feeds, text=ground.text, problems=ground.problems)

    def shot(self) -> Shot | None:
        """The whole shot; None when its prompt cannot be read."""
        check_name(self._name, self._loc, "shot", self._problems)
        prompt = self._prompt()
        images = self._templates(said(self._entry.images, self._ground.defaults.images, []), self._said("images"))
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
            axes=tuple(self._usable(axis) for axis in self._matrix.axes),
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
            n=said(entry.n, defaults.n, 1),
            per_request=said(entry.per_request, defaults.per_request, 1),
            chain=chain,
            path=path,
            accept=_accept(defaults.accept, entry.accept),
            model=model.alias if model else None,
            line=self._problems.document.key_place(self._loc).line,
        )

    def _read_matrix(self) -> Matrix:
        written = said(self._entry.matrix, self._ground.defaults.matrix, {})
        return read_matrix(written, self._said("matrix"), self._ground.feeds, self._ground.models)

    def _usable(self, axis: Axis) -> Axis:
        """The axis, its rows without a field that the templates need marked; they are reported once."""
        marked, lacking = self._wording.usable(axis)
        if lacking:
            loc = (*self._said("matrix"), axis.name)
            what = f"{len(lacking)} of {len(axis.values)} rows of '{axis.source}' lack a field: {lacking[0]}"
            report = self._problems.error if self._ground.strict else self._problems.warn
            report(loc, what, "correct the feed, or use the filter default('')")
        return marked

    def _prompt(self) -> Template | None:
        loc = self._said("prompt")
        source = said(self._entry.prompt, self._ground.defaults.prompt, "")
        if source.strip():
            return self._wording.template(source, loc)
        missing = self._entry.prompt is None and self._ground.defaults.prompt is None
        what = f"shot '{self._name}' has no prompt" if missing else "the prompt is empty"
        if not self._is_broken("prompt"):
            self._problems.error(loc, what, "add 'prompt: …'")
        return None

    def _templates(self, sources: Sequence[str], loc: Loc, parents: int = 0) -> tuple[Template, ...]:
        """The input images. parents: pictures that go along besides them."""
        if len(sources) + parents > MOST_IMAGES:
            besides = " besides the picture before it" if parents else ""
            self._problems.error(loc, f"{len(sources)} images{besides} are too many", f"{MOST_IMAGES} in all at most")
            self._problems.broken(loc)
        made: list[Template] = []
        for index, source in enumerate(sources):
            place: Loc = (*loc, index) if (*loc, index) in self._problems.document.values else loc
            template = self._wording.template(source, place)
            if not source.strip():
                self._problems.error(place, "the name of an input image is empty", "remove the entry")
            if template is not None:
                self._check_inputs(template, place)
                made.append(template)
        return tuple(made)

    def _mask(self) -> Template | None:
        entry, defaults = self._entry, self._ground.defaults
        loc = self._said("mask")
        source = said(entry.mask, defaults.mask, "")
        if source and not said(entry.images, defaults.images, []) and not self._is_broken("images"):
            self._problems.error(loc, f"shot '{self._name}' has a mask and no images", "add the image it belongs to")
        return self._mask_template(source, loc)

    def _mask_template(self, source: str | None, loc: Loc) -> Template | None:
        if source is None or not source.strip():
            return None
        template = self._wording.template(source, loc)
        if template is not None:
            self._check_inputs(template, loc)
        return template

    def _check_inputs(self, template: Template, loc: Loc) -> None:
        """Looks for the files that the manifest names itself: in the template, or with the values of one axis."""
        for named in self._named_inputs(template):
            check_input(named, loc, self._ground.folder, self._problems)

    def _named_inputs(self, template: Template) -> Iterator[str]:
        if template.constant is not None:
            yield template.constant
            return
        entry, defaults = self._entry, self._ground.defaults
        narrowed = said(entry.where, defaults.where, "") or said(entry.exclude, defaults.exclude, [])
        axes = [axis for axis in self._matrix.axes if axis.name in template.names]
        if narrowed or len(axes) != 1 or axes[0].kind == "source":
            return
        for value in axes[0].values:
            try:
                yield template.render(context({axes[0].name: value}, self._ground.text))
            except TemplateFault:
                continue  # the template's own fault is reported

    def _is_broken(self, field: str) -> bool:
        return self._problems.is_broken((*self._loc, field)) or self._problems.is_broken(("defaults", field))

    def _steps(self) -> list[tuple[StepEntry, Loc]]:
        loc = self._said("chain")
        return [
            (step, (*loc, index)) for index, step in enumerate(said(self._entry.chain, self._ground.defaults.chain, []))
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
        loc = self._said("path")
        if self._entry.path is None and self._ground.defaults.path is None:
            if is_reserved([self._name, *self._matrix.names]):
                self._problems.error(self._loc, f"'{self._name}' is reserved for the sheet", "rename it", key=True)
            return None
        template = self._wording.template(said(self._entry.path, self._ground.defaults.path, ""), loc, PATH_NAMES)
        if template is not None:
            check_path(template, loc, self._problems)
        return template

    def _where(self) -> Expression | None:
        source = said(self._entry.where, self._ground.defaults.where, "")
        return self._wording.condition(source, self._said("where")) if source.strip() else None

    def _zip(self) -> tuple[tuple[str, ...], ...]:
        groups = said(self._entry.zip, self._ground.defaults.zip, [])
        return read_zip(groups, self._said("zip"), self._matrix, self._problems)

    def _exclude(self) -> tuple[Mapping[str, Json], ...]:
        entries = said(self._entry.exclude, self._ground.defaults.exclude, [])
        return read_exclude(entries, self._said("exclude"), self._matrix, self._problems)

    def _include(self) -> tuple[tuple[AxisValue, ...], ...]:
        entries = said(self._entry.include, self._ground.defaults.include, [])
        return read_include(entries, self._said("include"), self._matrix, self._ground.models)

    def _model(self) -> ModelSpec | None:
        """The model of all cells; None when an axis chooses it."""
        models = self._ground.models
        if self._matrix.axis("model") is not None:
            if self._entry.model is not None:
                what = "the model is said here and by the axis 'model'"
                self._problems.error((*self._loc, "model"), what, "remove one of them", key=True)
            return None
        named = said(self._entry.model, self._ground.defaults.model, "")
        if named:
            return models.find(named, self._said("model"))
        if models.usual is None and not self._is_broken("model"):
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
