"""Where a picture goes: rendered paths made safe, and what may not be taken."""

import hashlib
import re
import unicodedata

from pipeline.domain.errors import UserError
from pipeline.manifest import names

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
"""Endings that a finished file may have; which one follows the real bytes."""

LONGEST = 200
"""Bytes of one name at most: what the common file systems take (255), less room for candidate, step and extension."""

_HOSTILE = re.compile(r'[\x00-\x1f\x7f-\x9f\\<>:"|?*#\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_SAFE_NAME = r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:/|$))[A-Za-z0-9_](?:[A-Za-z0-9_ -]*[A-Za-z0-9_-])?"
_SAFE = re.compile(rf"{_SAFE_NAME}(?:/{_SAFE_NAME})*", re.IGNORECASE)
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def placed(rendered: str) -> str:
    """A rendered ``path`` as a normalised relative path without extension.

    Raises UserError when it is empty or leaves the folder.
    """
    if len(rendered) <= LONGEST and rendered.isascii() and _SAFE.fullmatch(rendered):
        return rendered  # nearly all are: a twentieth of the work below
    text = unicodedata.normalize("NFC", rendered).strip()
    parts = [name for name in text.replace("\\", "/").split("/") if name.strip() not in {"", "."}]
    if text.startswith(("/", "\\")) or ".." in (name.strip() for name in parts):
        raise UserError(f"the path {rendered!r} leaves the output folder")
    if not parts:
        raise UserError("the path is empty")
    parts[-1] = without_extension(parts[-1])
    return "/".join(_safe(name) for name in parts)


def without_extension(name: str) -> str:
    """The name less a picture's ending: the extension follows the real bytes."""
    folded = name.lower()
    for extension in EXTENSIONS:
        if folded.endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)]
    return name


def folded(path: str) -> str:
    """What file systems that ignore case and composition take a path for."""
    return path.lower() if path.isascii() else names.folded(path)


def reserved(path: str) -> str:
    """The reserved name that a folded path takes, or nothing: ``index.*``, ``thumbs``, ``contact-sheet.png``."""
    if path[:1] not in "itc":
        return ""
    first, _, rest = path.partition("/")
    if first == "thumbs":
        return "thumbs"
    if first.startswith("index.") or (first == "index" and not rest):
        return "index.*"
    if first == "contact-sheet.png" or (first == "contact-sheet" and not rest):
        return "contact-sheet.png"
    return ""


def _safe(name: str) -> str:
    """One name that every common file system takes; only what it must not hold is changed."""
    name = _HOSTILE.sub("-", name).strip(" ").rstrip(". ").lstrip(".") or "-"
    if name.split(".")[0].lower() in _DEVICES:
        name = f"_{name}"
    data = name.encode("utf-8", "replace")
    if len(data) <= LONGEST:
        return data.decode("utf-8")
    digest = hashlib.sha256(data).hexdigest()[:8]
    return f"{data[: LONGEST - 9].decode('utf-8', 'ignore')}-{digest}"
