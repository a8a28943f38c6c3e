"""Holds a tree to the schema: every fault at its place, and a value of what is sound, whose meaning is checked too."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.manifest.fields import PROBLEM, kind_of
from pipeline.manifest.places import Loc, Problems, at, nearest
from pipeline.manifest.scalars import Scalar, Tree
from pipeline.manifest.schema import ManifestEntry, StepEntry

_MOST_PASSES = 8
"""Taking out a fault can bring up one that it hid; each pass takes out at least one."""

_HOME = {
    "n": (StepEntry, "an edit takes no n: each candidate has its own chain", "set n on the shot"),
    "api_key": (ManifestEntry, "a key belongs to a provider", "write it under providers: NAME:"),
}
_ELSEWHERE: Mapping[str, str] = {
    "image": "images",
    "steps": "chain",
    "edits": "chain",
    "count": "n",
    "axes": "matrix",
    "filter": "where",
    "url": "base_url",
    "key": "api_key",
    "output": "path",
    **{name: f"params: {{{name}: …}}" for name in ("size", "quality", "background", "output_format", "moderation")},
}


def structured(data: Tree, problems: Problems) -> ManifestEntry | None:
    """The manifest's entry without its faulty parts, which are reported; None when nothing is left to check."""
    if not isinstance(data, dict):
        _report_top(data, problems)
        return None
    kept: Tree = {name: value for name, value in data.items() if not name.startswith("x-")}
    for _ in range(_MOST_PASSES):
        try:
            return ManifestEntry.model_validate(kept)
        except ValidationError as error:
            whole = kept
            faults = error.errors(include_url=False)
            # A wrong key may be a missing one misspelt, and is then the one to tell.
            for fault in sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden"):
                loc = _reported(whole, fault, problems)
                kept = _pruned(kept, loc) if fault["type"] != "missing" else _filled(kept, loc)
    return None


def _report_top(data: Tree, problems: Problems) -> None:
    if isinstance(data, Scalar) and data.value is None:
        problems.error((), "the file is empty", "start with 'version: 1', then name and shots")
    else:
        problems.error((), f"a manifest is a mapping, not {kind_of(data)}", "start with 'version: 1'")


def _reported(data: Tree, fault: ErrorDetails, problems: Problems) -> Loc:
    """Reports one fault; the place in the tree that it spoils."""
    loc, name = _located(data, fault["loc"])
    if fault["type"] == "missing":
        problems.error((*loc, str(name)), f"'{name}' is missing", f"add '{name}: …'")
        loc = (*loc, str(name))
    elif fault["type"] == "extra_forbidden":
        what, instead, meant = _unknown_key(str(loc[-1]), model_at(loc[:-1]))
        problems.error(loc, what, instead, key=True)
        if at(data, (*loc[:-1], meant)) is None:
            problems.broken((*loc[:-1], meant))
    else:
        what, instead = _said(fault)
        subject = "" if not loc else f"'{loc[-1]}' " if isinstance(loc[-1], str) else f"entry {loc[-1] + 1} "
        problems.error(loc, subject + what, instead)
    problems.broken(loc)
    return loc


def _filled(data: Tree, loc: Loc) -> Tree:
    """The tree with a stand-in for a missing entry, so that what is beside it can be checked."""
    if not isinstance(at(data, loc[:-1]), dict):
        return data
    stand_ins: Mapping[str | int, Tree] = {"version": Scalar("1", 1), "shots": {}}
    return replaced(data, loc, stand_ins.get(loc[-1], ""))


def _located(data: Tree, told: Sequence[str | int]) -> tuple[Loc, str | int]:
    """The part of a validator's location that exists in the tree, and its last word."""
    loc: Loc = ()
    for step in told:
        here = at(data, loc)
        if (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int)):
            loc = (*loc, step)
    return loc, told[-1] if told else ""


def _said(fault: ErrorDetails) -> tuple[str, str]:
    context: dict[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case kind if kind == PROBLEM:
            return str(context["what"]), str(context["instead"])
        case "dict_type" | "model_type":
            return f"must be a mapping, not {kind_of(fault['input'])}", "write its keys below it, indented"
        case "list_type":
            return f"must be a list, not {kind_of(fault['input'])}", "write [a, b]"
    return fault["msg"][:1].lower() + fault["msg"][1:], ""


def _unknown_key(name: str, model: type[BaseModel] | None) -> tuple[str, str, str]:
    """What is wrong with a key that the schema does not know, what to write instead, and which key was meant."""
    if name in _HOME and _HOME[name][0] is model:
        return *_HOME[name][1:], ""
    known = list(model.model_fields) if model else []
    near = nearest(name, known)
    elsewhere = _ELSEWHERE.get(name, "")
    if near:
        return f"unknown key '{name}'", f"did you mean '{near}'?", near
    if elsewhere.partition(":")[0] in known:
        return f"unknown key '{name}'", f"write '{elsewhere}'", elsewhere.partition(":")[0]
    return f"unknown key '{name}'", f"known are {', '.join(known)}", ""


def model_at(loc: Loc) -> type[BaseModel] | None:
    """The schema of the mapping at *loc*; None when it may have any key."""
    model: type[BaseModel] | None = ManifestEntry
    annotation: object = ManifestEntry
    for step in loc:
        if model is not None:
            found = model.model_fields.get(str(step))
            annotation = found.annotation if found else None
            model = None if _is_collection(annotation) else _model_in(annotation)
        else:
            model = _model_in(annotation)
    return model


def _is_collection(annotation: object) -> bool:
    origins = (annotation, *get_args(annotation))
    return any(getattr(part, "__origin__", None) in {dict, list} for part in origins)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def replaced(data: Tree, loc: Loc, value: Tree) -> Tree:
    """A tree with *value* at *loc*; shares the rest. Raises LookupError when the way there is not in the tree."""
    if not loc:
        return value
    first, rest = loc[0], loc[1:]
    if isinstance(data, dict):
        name = str(first)
        return {**data, name: replaced(data.get(name, {}), rest, value) if rest else value}
    if isinstance(data, list) and isinstance(first, int) and first < len(data):
        return [*data[:first], replaced(data[first], rest, value), *data[first + 1 :]]
    raise LookupError(first)


def _pruned(data: Tree, loc: Loc) -> Tree:
    """The tree without the entry at *loc*; an item of a list takes the list with it, so that no index shifts."""
    while loc and isinstance(at(data, loc[:-1]), list):
        loc = loc[:-1]
    if not loc:
        return {}
    parent = at(data, loc[:-1])
    if not isinstance(parent, dict):
        return data
    return replaced(data, loc[:-1], {name: value for name, value in parent.items() if name != loc[-1]})
