"""How long a host asks to wait, in any of the ways hosts say it."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PHRASE = re.compile(
    r"(?:try again|retry|wait|available again|重试|再试)\s*(?:in|after|for)?\s*[:=]?\s*(?:about\s+|at least\s+)?"
    r"(?P<span>(?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)(?![a-z])[\s,]*)+"
    r"|(?:\d+(?:\.\d+)?(?:ms|h|m|s))+)",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>毫秒|秒|分钟|小时)(?:之?后|内)?.{0,6}(?:重试|再试|尝试)")
_PIECE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>milliseconds?|ms|s|m|h)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "milliseconds": 0.001, "millisecond": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_CHINESE_UNITS = {"毫秒": 0.001, "秒": 1.0, "分钟": 60.0, "小时": 3600.0}


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds to wait: ``retry-after-ms``, else ``retry-after`` (seconds or a date), else what *message* says.

    A date is measured against the answer's own ``date``, so that a wrong clock here changes nothing. What is negative,
    infinite or junk is as good as not said: None. Header names in lower case.
    """
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1000
    header = headers.get("retry-after", "").strip()
    seconds = _number(header)
    if seconds is not None:
        return seconds
    until = _until(header, headers.get("date", "")) if header else None
    return _spoken(message) if until is None else until


def _number(text: str) -> float | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _until(moment: str, now: str) -> float | None:
    try:
        wait = (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None  # one of the two is no date, or only one of them names a zone
    return wait if wait >= 0 else None


def _spoken(message: str) -> float | None:
    text = message[:4000]
    if chinese := _CHINESE.search(text):
        return float(chinese["number"][:12]) * _CHINESE_UNITS[chinese["unit"]]
    phrase = _PHRASE.search(text)
    if phrase is None:
        return None
    pieces = _PIECE.finditer(phrase["span"])
    return sum(float(piece["number"][:12]) * _UNITS[piece["unit"].lower()] for piece in pieces)
