"""Names as they stand in asset names and paths: one total, safe spelling of any text."""

import hashlib
import re
import unicodedata

LONGEST = 80
"""Characters of a slug at most."""

_LONGEST_BYTES = 200
"""UTF-8 bytes at most: a file name may have 255, and a candidate, an extension and a temporary suffix follow."""

_HOSTILE = frozenset('/\\#:*?"<>|')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_EDGE_DOTS = re.compile(r"^\.+|\.+$")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")


def slug(text: str) -> str:
    """*text* as one safe path segment; never empty, at most 80 characters, and its own slug.

    Separators, ``#``, white space, control and invisible characters and what Windows refuses become ``-`` (a run of
    them one); dots at either end too; device names get a ``-``; letters of every script stay, in NFC. What is longer
    is cut and ends in 8 hexadecimal digits of its SHA-256.
    """
    if _PLAIN.fullmatch(text) and not _DEVICE.match(text):
        return text
    normal = unicodedata.normalize("NFC", text)
    safe = unicodedata.normalize("NFC", _without_hostile(normal))
    safe = _EDGE_DOTS.sub(lambda dots: "-" * len(dots[0]), safe)
    safe = _DEVICE.sub(lambda name: f"{name[0]}-", safe, count=1) if _DEVICE.match(safe) else safe
    if len(safe) > LONGEST or len(safe.encode()) > _LONGEST_BYTES:
        safe = _cut(safe, hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:8])
    return safe or "-"


def folded(name: str) -> str:
    """*name* as a case-insensitive file system compares it: two names that fold alike are one path."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _without_hostile(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character in _HOSTILE or character.isspace() or unicodedata.category(character)[0] in "CZ":
            if kept and kept[-1] is _HOLE:
                continue
            kept.append(_HOLE)
        else:
            kept.append(character)
    return "".join("-" if part is _HOLE else part for part in kept)


_HOLE = "\x00"
"""Stands for a run of hostile characters, so that a dash somebody wrote is not taken for one."""


def _cut(text: str, ending: str) -> str:
    kept = text[: LONGEST - len(ending) - 1]
    while len(kept.encode()) > _LONGEST_BYTES - len(ending) - 1:
        kept = kept[:-1]
    return f"{kept}-{ending}"
