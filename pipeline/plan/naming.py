"""Names and paths of a shot's assets, in words and never in running numbers."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.domain.step import AssetName
from pipeline.manifest.model import AxisValue, Shot
from pipeline.manifest.template import Template, context
from pipeline.matrix import Cell
from pipeline.plan.places import placed
from pipeline.plan.wording import wording


def asset_name(base: str, candidate: int, step_id: str) -> AssetName:
    """``base[#candidate][/step]``; the first candidate has no number."""
    return AssetName((base if candidate == 1 else f"{base}#{candidate}") + (f"/{step_id}" if step_id else ""))


class Naming:
    """Names assets of one shot and says where their pictures go."""

    def __init__(self, shot: Shot, text: Mapping[str, str]) -> None:
        self._shot = shot
        self._axes = tuple(axis.name for axis in shot.axes)
        self._text = text
        self._names = frozenset[str]() if shot.path is None else shot.path.names & {"step", "candidate"}
        self._is_absolute = shot.path is not None and shot.path.source.lstrip().startswith(("/", "\\"))
        self._stem: Callable[[Cell], str] | None = None
        if shot.path is not None and not self._names:
            self._stem = wording(shot.path, self._axes, text, slugged)

    def base(self, cell: Cell) -> str:
        """The asset name of a cell's first candidate: ``shot/key/key…`` with slugged keys."""
        return "/".join([self._shot.name, *[value.slug for value in cell]])

    def path(self, cell: Cell, candidate: int, step_id: str) -> str:
        """Relative, normalised, without extension: the asset's name, or the rendered ``path`` with candidate and step
        appended where the template does not say them itself.

        Raises PipelineError when the template cannot be rendered, is empty or leaves the folder.
        """
        shot = self._shot
        if shot.path is None:
            stem = self.base(cell)
        elif self._stem is not None:
            stem = self._placed(self._stem(cell))
        else:
            stem = self._placed(self._whole(shot.path, cell, candidate, step_id))
        if candidate > 1 and "candidate" not in self._names:
            stem = f"{stem}-{candidate}"
        return f"{stem}/{step_id}" if step_id and "step" not in self._names else stem

    def default_path(self, cell: Cell, candidate: int, step_id: str) -> str:
        """The path without a template."""
        stem = self.base(cell) if candidate == 1 else f"{self.base(cell)}-{candidate}"
        return f"{stem}/{step_id}" if step_id else stem

    def _placed(self, rendered: str) -> str:
        """The path made safe. A leading separator is an error where the template begins with one; where an empty field
        left it (``{{ shelf }}/{{ sku }}``) that folder is left out."""
        return placed(rendered if self._is_absolute else rendered.lstrip("/\\ "))

    def _whole(self, path: Template, cell: Cell, candidate: int, step_id: str) -> str:
        values = {name: slugged(value) for name, value in zip(self._axes, cell, strict=True)}
        return path.render({**context(values, self._text), "step": step_id, "candidate": candidate})


def slugged(value: AxisValue) -> AxisValue:
    """The value as a path sees it: its key slugged wherever it is printed."""
    if value.slug == value.key:
        return value
    fields = {name: value.slug if held == value.key else held for name, held in value.fields.items()}
    return replace(value, key=value.slug, text=value.slug if value.text == value.key else value.text, fields=fields)
