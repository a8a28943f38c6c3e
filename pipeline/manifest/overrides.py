"""`--set PATH=VALUE`: lays values from the command line over a manifest's tree before anything is checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.domain.errors import ManifestError
from pipeline.manifest.places import Document, Loc, Place, Problems, at, did_you_mean
from pipeline.manifest.scalars import Tree
from pipeline.manifest.structure import model_at, replaced
from pipeline.manifest.yaml_text import parse_value

_SECRETIVE = ("providers", "notify")
_NAMED = frozenset({"providers", "models", "sources", "shots"})
_STEP = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^.\[\]"']+)|\[(\d+)\])\s*(?:\.|(?=\[)|$)""")


@dataclass(frozen=True, slots=True)
class Override:
    """A value that was set, and the option it came with."""

    loc: Loc
    value: Tree
    place: Place


def lay_over(document: Document, sets: Sequence[str], problems: Problems) -> tuple[Override, ...]:
    """Changes the document's tree by each `PATH=VALUE` in order; what was set, without what could not be.

    A path's steps are keys and list indexes, with dots between (`shots.hero.chain.0.prompt`); a key with a dot in it
    is found if it exists, or quoted. VALUE is read as YAML. Nothing new is made under a name that does not exist.
    """
    done: list[Override] = []
    for given in sets:
        path, equals, written = given.partition("=")
        place = Place(f"--set {_without_secret(given)}")
        if not equals or not path.strip():
            problems.error_at(place, "is not PATH=VALUE", "write --set shots.hero.params.quality=low")
            continue
        override = _override(document, path, written, place, problems)
        if override is not None:
            _apply(document, override)
            done.append(override)
    return tuple(done)


def _without_secret(given: str) -> str:
    """The option as typed, but never a value that might be a key."""
    path = re.split(r"[=:\s]", given.strip(), maxsplit=1)[0]
    return f"{path}=…" if path.lstrip("\"'").startswith(_SECRETIVE) else given


def _override(document: Document, path: str, written: str, place: Place, problems: Problems) -> Override | None:
    try:
        value = parse_value(written)
    except ManifestError as error:
        problems.error_at(place, f"the value is not YAML: {error.problems[0].what}", error.problems[0].instead)
        return None
    loc = _loc(document.data, path.strip())
    if loc is None:
        problems.error_at(place, "the path cannot be read", "write it like shots.hero.params.quality")
        return None
    fault = _fault(document.data, loc)
    if fault:
        problems.error_at(place, *fault)
        return None
    return Override(loc, value, place)


def _loc(data: Tree, path: str) -> Loc | None:
    steps: list[str] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return None
        steps.append(next(group for group in found.groups() if group is not None).strip())
        position = found.end()
    return _resolved(data, steps) if steps and not path.endswith(".") else None


def _resolved(data: Tree, steps: Sequence[str]) -> Loc:
    """The steps as keys and indexes: keys with dots in them are put together again where the tree has them."""
    loc: Loc = ()
    while steps:
        here = at(data, loc)
        if isinstance(here, list) and steps[0].isdecimal():
            loc, steps = (*loc, int(steps[0])), steps[1:]
            continue
        keys = here if isinstance(here, dict) else {}
        taken = next((end for end in range(len(steps), 0, -1) if ".".join(steps[:end]) in keys), 1)
        loc, steps = (*loc, ".".join(steps[:taken])), steps[taken:]
    return loc


def _fault(data: Tree, loc: Loc) -> tuple[str, str] | None:
    """Why nothing can be set there."""
    for end in range(1, len(loc) + 1):
        parent, step = at(data, loc[: end - 1]), loc[end - 1]
        if isinstance(parent, list) and not (isinstance(step, int) and step < len(parent)):
            return f"the list has {len(parent)} entries, and '{step}' is none of them", "count from 0"
        if isinstance(parent, dict) and step not in parent and loc[0] in _NAMED and end == 2 < len(loc):
            return f"there is no '{step}' in {loc[0]}", did_you_mean(str(step), parent)
        if end > 1 and parent is not None and not isinstance(parent, dict | list):
            break
    known = model_at(loc[:-1])
    if known is not None and loc[-1] not in known.model_fields and not str(loc[-1]).startswith("x-"):
        return f"unknown key '{loc[-1]}'", did_you_mean(str(loc[-1]), known.model_fields)
    return None


def _apply(document: Document, override: Override) -> None:
    loc = override.loc
    for end in range(1, len(loc)):
        if not isinstance(at(document.data, loc[:end]), dict | list):
            document.data = replaced(document.data, loc[:end], {})
            document.values[loc[:end]] = override.place
    document.data = replaced(document.data, loc, override.value)
    for places in (document.values, document.keys):
        for inner in [known for known in places if known[: len(loc)] == loc]:
            del places[inner]
    document.values[loc] = document.keys[loc] = override.place
