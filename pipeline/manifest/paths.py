"""What can be told of output paths before anything is planned, and of input files that a manifest names itself."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.manifest.names import folded, slug
from pipeline.manifest.places import Loc, Problems, did_you_mean
from pipeline.manifest.template import Template

_RESERVED_FILE = re.compile(r"index(?:\..*)?|thumbs|contact-sheet(?:\.png)?", re.IGNORECASE)
_RESERVED_FOLDER = re.compile(r"index\..*|thumbs|contact-sheet\.png", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:png|jpe?g|webp|gif)$", re.IGNORECASE)
_VALUE = "\x00"
"""Stands for a value that is not known yet."""


def is_reserved(segments: Sequence[str]) -> bool:
    """Whether a path without extension takes a name of the sheet or the index."""
    reserved = _RESERVED_FILE if len(segments) == 1 else _RESERVED_FOLDER
    return reserved.fullmatch(segments[0]) is not None


def check_name(name: str, loc: Loc, noun: str, problems: Problems) -> None:
    """Reports a name that would not be the same in a path."""
    if problems.is_broken(loc):
        return
    if not name.strip():
        problems.error(loc, f"{noun} is empty", "give it a name", key=True)
    elif slug(name) != name:
        problems.error(loc, f"{noun} '{name}' cannot stand in a path as it is", f"write '{slug(name)}'", key=True)


def check_distinct(names: Iterable[tuple[str, Loc]], noun: str, problems: Problems) -> None:
    """Reports names that are one path where case does not count."""
    taken: dict[str, str] = {}
    for name, loc in names:
        other = taken.get(folded(name))
        if other is not None:
            what = f"{noun} '{name}' is given twice" if other == name else f"'{other}' and '{name}' would be one path"
            problems.error(loc, what, "rename one", key=True)
        taken[folded(name)] = name


def check_path(template: Template, loc: Loc, problems: Problems) -> None:
    """Reports a path template that surely leaves the output folder or takes a reserved name."""
    parts = template.plain
    if parts is None:
        return
    text = "".join(part if isinstance(part, str) else _VALUE for part in parts)
    segments = text.split("/")
    if not text.strip():
        problems.error(loc, "the path is empty", "remove it to use the asset's name")
    elif text.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", text):
        problems.error(loc, "the path leaves the output folder", "write it relative to the output folder")
    elif ".." in segments or "\\" in text:
        problems.error(loc, "the path leaves the output folder", "write it without '..' and with '/'")
    elif is_reserved(segments):
        problems.error(loc, f"'{segments[0]}' is reserved for the sheet", "choose another name")
    if _EXTENSION.search(text):
        problems.warn(loc, "the extension follows the real bytes and is added", "leave it out")


def check_input(named: str, loc: Loc, folder: Path, problems: Problems) -> None:
    """Reports an input file that the manifest names itself and that is not there."""
    named = named.strip()
    if not named or re.match(r"https?://", named, re.IGNORECASE):
        return
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", named):
        problems.error(loc, f"'{named}' is neither a file nor an http(s) URL", "name a file")
    else:
        _check_file(named, folder / named, loc, problems)


def _check_file(named: str, file: Path, loc: Loc, problems: Problems) -> None:
    if "\x00" in named or len(named) > 4096:
        problems.error(loc, "the name of an input file cannot be used", "check it")
    elif file.is_dir():
        problems.error(loc, f"'{named}' is a folder", "name a file in it")
    elif not file.exists():
        problems.error(loc, f"there is no file '{named}'", similar_file(file) or "check the path")


def similar_file(file: Path) -> str:
    """`did you mean …?` among the files beside it."""
    try:
        return did_you_mean(file.name, sorted(entry.name for entry in file.parent.iterdir()), listed=False)
    except OSError:
        return ""
