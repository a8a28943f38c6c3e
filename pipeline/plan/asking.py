"""What one step asks in one cell: the rendered prompt and its inputs, or why the asset cannot be asked."""

import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.domain.digest import Digest, Json
from pipeline.domain.errors import PipelineError
from pipeline.domain.step import InputRef, Role
from pipeline.manifest.model import ChainStep, Shot
from pipeline.manifest.template import Template
from pipeline.matrix import Cell
from pipeline.plan.recipe import USUAL, Size
from pipeline.plan.wording import wording

LONGEST_PROMPT = 32_000
"""Characters of a prompt at most."""

MOST_INPUTS = 16
"""Pictures that go along with one request at most, a chain's parent included, a mask not."""

FAULT = "input: "
"""How `Step.problem` begins."""

PARENT = InputRef(role="image", source="", digest=None)

Measure = Callable[[str], Size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What goes along with a prompt. inputs: in the order they are sent, the parent's picture first.

    key_inputs: role and digest as in the key, the parent's left out. sizes: of the pictures, in pixels, likewise.
    """

    inputs: tuple[InputRef, ...] = ()
    key_inputs: tuple[tuple[Role, Digest], ...] = ()
    sizes: tuple[Size, ...] = ()


NOTHING = Given()


class Asked(NamedTuple):
    """What a step asks in a cell. problem: why it cannot be asked, as in `Step.problem`; empty when it can."""

    prompt: str = ""
    given: Given = NOTHING
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class SourceDesk:
    """Sources of inputs as they stand in steps: absolute, with digest; each one is looked at once.

    measure: width and height of a source, for prices; without it every picture is taken for the usual size.
    """

    folder: Path
    digest: Callable[[str], Digest]
    measure: Measure | None = None
    seen: dict[tuple[str, Role], tuple[InputRef, Size]] = field(default_factory=dict)

    def absolute(self, source: str) -> str:
        """A local source as an absolute path; a URL as it is."""
        if is_url(source):
            return source
        return os.path.normpath(self.folder / source)

    def take(self, source: str, role: Role) -> tuple[InputRef, Size]:
        """The input and its size in pixels. Raises InputFault when it cannot be read."""
        found = self.seen.get((source, role))
        if found is None:
            whole = self.absolute(source)
            ref = InputRef(role=role, source=whole, digest=self.digest(whole))
            found = (ref, self.measure(whole) if self.measure else USUAL)
            self.seen[source, role] = found
        return found


def is_url(source: str) -> bool:
    """Whether a source is fetched rather than read."""
    return source[:8].lower().startswith(("http://", "https://"))


class Sources:
    """The files and URLs one entry of ``images`` (or ``mask``) names in a cell."""

    def __init__(self, template: Template, shot: Shot, axes: Sequence[str], text: Mapping[str, str]) -> None:
        self._said = wording(template, axes, text)
        self._source = template.source
        self._field: tuple[int, str] | None = None
        self._splits = False
        if template.plain is not None and len(template.plain) == 1:
            self._only(template.plain[0], shot, axes)

    def _only(self, part: str | tuple[str, ...], shot: Shot, axes: Sequence[str]) -> None:
        """A template that is one field and nothing else may hold several files."""
        if isinstance(part, str) or len(part) != 2 or part[0] not in axes:
            return
        at = axes.index(part[0])
        self._field = (at, part[1])
        self._splits = shot.axes[at].kind == "source"

    def __call__(self, cell: Cell) -> list[str]:
        """Each source as written, none empty. Raises PipelineError when the template cannot be rendered."""
        held = self._held(cell)
        if isinstance(held, list):
            return [str(each).strip() for each in held if each is not None and str(each).strip()]
        said = self._said(cell)
        pieces = said.split("|") if self._splits else [said]
        return [piece.strip() for piece in pieces if piece.strip()]

    def required(self, cell: Cell) -> list[str]:
        """As a call, but nothing at all is an error."""
        sources = self(cell)
        if not sources:
            raise PipelineError(f"images: {self._source} is empty here (give a file, or leave the row out by `where`)")
        return sources

    def _held(self, cell: Cell) -> Json:
        if self._field is None:
            return None
        at, name = self._field
        return cell[at].fields.get(name)


class Asking:
    """One depth of a shot: the base picture (depth 0) or an edit of its chain."""

    def __init__(self, shot: Shot, depth: int, text: Mapping[str, str], desk: SourceDesk) -> None:
        said: Shot | ChainStep = shot.chain[depth - 1] if depth else shot
        axes = [axis.name for axis in shot.axes]
        self._prompt = wording(said.prompt, axes, text)
        self._images = tuple(Sources(template, shot, axes, text) for template in said.images)
        self._mask = Sources(said.mask, shot, axes, text) if said.mask is not None else None
        self._parents = 1 if depth else 0
        self._desk = desk
        self._alone = not (self._images or self._mask or self._parents)

    def sources(self, cell: Cell) -> Iterator[str]:
        """Every source this step names in a cell, absolute; nothing where a template cannot be rendered."""
        for entry in (*self._images, *([self._mask] if self._mask else [])):
            try:
                yield from (self._desk.absolute(source) for source in entry(cell))
            except PipelineError:
                continue

    def asked(self, cell: Cell) -> Asked:
        """What is asked in a cell. Never raises: what is wrong with one asset is its own problem."""
        try:
            prompt = self._prompt(cell)
        except PipelineError as error:
            return Asked("", NOTHING, f"{FAULT}prompt: {error}")
        if prompt.isspace() or not 0 < len(prompt) <= LONGEST_PROMPT:
            return Asked("", NOTHING, f"{FAULT}prompt: {_no_prompt(prompt)}")
        if self._alone:
            return Asked(prompt)
        try:
            return Asked(prompt, self._given(cell))
        except PipelineError as error:
            return Asked(prompt, NOTHING, f"{FAULT}{error}")

    def _given(self, cell: Cell) -> Given:
        pictures = [source for entry in self._images for source in entry.required(cell)]
        if len(pictures) + self._parents > MOST_INPUTS:
            raise PipelineError(f"{len(pictures) + self._parents} pictures go along, at most {MOST_INPUTS}")
        taken = [self._desk.take(source, "image") for source in pictures]
        masks = self._mask(cell) if self._mask else []
        if len(masks) > 1:
            raise PipelineError(f"mask: {len(masks)} files, a request takes one")
        if masks and not (pictures or self._parents):
            raise PipelineError("mask: there is no picture to mask (give `images`)")
        given = [*(ref for ref, _ in taken), *(self._desk.take(source, "mask")[0] for source in masks)]
        return Given(
            inputs=((PARENT,) if self._parents else ()) + tuple(given),
            key_inputs=tuple((ref.role, ref.digest) for ref in given if ref.digest is not None),
            sizes=tuple(size for _, size in taken),
        )


def _no_prompt(text: str) -> str:
    if len(text) > LONGEST_PROMPT:
        return f"it has {len(text):,} characters, at most {LONGEST_PROMPT:,}"
    return "it is empty here"
