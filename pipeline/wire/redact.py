"""Foreign text made fit for people: no secrets, no terminal or bidi tricks, one line, bounded."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from pipeline.domain.secret import Secret

MESSAGE_LIMIT = 500
"""Characters of a redacted message."""

# ESC sequences first as wholes (OSC 52 carries a clipboard, CSI moves the cursor), then every stray control.
_ESCAPES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_INVISIBLE = re.compile(r"[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

_DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.=-]+)*,[A-Za-z0-9+/=_%-]{12,}")
_URL = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{1,15}://)(?P<rest>[^\s\"'<>()\[\]{}\uff0c\u3002\uff09]+)", re.IGNORECASE
)
_BEARER = re.compile(r"\b(bearer|basic)(\s+|%20|\+)[^\s\"',;)}\]]+", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>\b(?:x-)?(?:api|access|secret|auth|goog)[-_ ]?(?:api[-_ ]?)?(?:key|token)[\"']?\s*[:=]\s*[\"']?)"
    r"(?P<value>[^\s\"',;&)}\]]{6,})",
    re.IGNORECASE,
)
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|rk)-[A-Za-z0-9_*.…-]{3,}"
    r"|\bAIza[\w-]{10,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|\b(?:ghp|gho|xox[abp])[-_][\w-]{10,}"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{100,}={0,2}")
_PART = 8
"""So many leading or trailing characters of a key are already too many to show."""


def plain(text: str, limit: int) -> str:
    """*text* as one line without escapes, control, invisible or direction-changing characters; at most *limit* long.

    Lone surrogates become ``?``: they cannot be stored or printed.
    """
    kept = text[: limit * 8]
    kept = _ESCAPES.sub("", kept)
    kept = _CONTROLS.sub(" ", kept)
    kept = _INVISIBLE.sub("", kept)
    kept = _SURROGATES.sub("?", kept).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def redact(text: str, secrets: Iterable[Secret] = (), *, limit: int = MESSAGE_LIMIT) -> str:
    """*text* as `plain` gives it and without anything that is or looks like a secret.

    Taken out: *secrets* and long enough parts of them, ``sk-…``, bearer tokens, ``api_key=…``, long base64, data URLs,
    and of every URL the user, the query and the fragment (signed URLs are bearer secrets).
    """
    kept = plain(text, limit * 8)
    for secret in secrets:
        kept = _without(kept, secret.reveal())
    kept = _DATA_URL.sub("data:…", kept)
    kept = _BEARER.sub(r"\1 …", kept)
    kept = _NAMED.sub(r"\g<name>…", kept)
    kept = _KEYS.sub("[key]", kept)
    kept = _URL.sub(_bare_url, kept)
    kept = _BASE64.sub("[base64]", kept)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _bare_url(match: re.Match[str]) -> str:
    rest = match["rest"]
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    tail = rest[-1] if rest[-1] in ".,;:!" and ("?" in rest or "#" in rest) else ""
    return match["head"] + authority.rpartition("@")[2] + slash + path + tail


def _without(text: str, value: str) -> str:
    # A gateway echoes keys whole, quoted, or with the middle starred out: any long enough end of it goes.
    if len(value) < _PART:  # part of many a word: only where it stands alone
        return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "[key]", text) if value else text
    for spelling in dict.fromkeys((value, quote(value, safe=""))):
        text = text.replace(spelling, "[key]")
        for length in range(len(spelling) - 1, _PART - 1, -1):
            for part in (spelling[:length], spelling[-length:]):
                if part in text:
                    text = text.replace(part, "[key]")
    return text
