"""Durations, money, shares and times of day as people write them. Every function raises ValueError with a hint."""

import re
from datetime import time
from decimal import Decimal, InvalidOperation

from pipeline.domain.money import MicroUsd, from_usd

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|s|min|m|h|d)\s*)+")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_MONEY = re.compile(r"\$?\s*(\d+(?:\.\d+)?)\s*(?:usd)?", re.IGNORECASE)
_OTHER_MONEY = re.compile(r"[€£¥₽₹]|\b(?!usd)[a-z]{3}\b", re.IGNORECASE)
_LONGEST = 366 * 86400.0
_DEAREST = Decimal(1_000_000_000)


def duration(text: str) -> float:
    """Seconds of `10s`, `250ms`, `1h 30m`; a plain number is seconds."""
    written = text.strip()
    try:
        seconds = float(written)
    except ValueError:
        if not _DURATION.fullmatch(written):
            raise ValueError("write it like 10s, 250ms, 30m or 1h") from None
        seconds = sum(float(amount) * _UNITS[unit] for amount, unit in _SPAN.findall(written))
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("a duration is between 0 and one year")
    return seconds


def money(text: str) -> MicroUsd:
    """Micro-USD of `25 USD`, `$25` or `0.04`; no other currency."""
    written = text.strip()
    found = _MONEY.fullmatch(written)
    if found is None and _OTHER_MONEY.search(written):
        raise ValueError("prices and budgets are in US dollars: write 25 USD")
    try:
        amount = Decimal(found[1] if found else written)
    except InvalidOperation:
        raise ValueError("write it like 25 USD") from None
    if not (amount.is_finite() and 0 <= amount <= _DEAREST):
        raise ValueError("it is not negative and below a billion")
    return from_usd(amount)


def share(text: str) -> float:
    """0 to 1 of `25%`; a plain number is the share itself (`0.25`)."""
    written = text.strip()
    percent = written.endswith("%")
    try:
        number = float(written[:-1] if percent else written) / (100 if percent else 1)
    except ValueError:
        raise ValueError("write it like 25%") from None
    if not 0 <= number <= 1:
        raise ValueError("it is between 0% and 100%: write it like 25%")
    return number


def time_of_day(text: str) -> time:
    """The local time of `05:30`."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError('write it like "05:30"')
    return time(int(found[1]), int(found[2]))
