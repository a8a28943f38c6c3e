"""Compares a picture that came with what was asked (contract: how answers are told). Pure decisions."""

import re
from dataclasses import dataclass

from pipeline.domain.image import Facts
from pipeline.domain.record import Reason, State
from pipeline.domain.step import Accept, KeyParts

SIZE = re.compile(r"^\s*(\d{1,5})\s*x\s*(\d{1,5})\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a picture makes of its slot: done (perhaps with warnings), or failed although it is kept and shown."""

    state: State
    reason: str = ""
    warnings: tuple[str, ...] = ()


def wants_alpha(parts: KeyParts) -> bool:
    """Whether a transparent background was asked, so that the pixels have to be looked at."""
    return parts.params.get("background") == "transparent"


def judge(parts: KeyParts, accept: Accept, facts: Facts, opaque: str) -> Verdict:
    """Whether the picture is what was asked.

    opaque: why a transparent background was asked and is not there (``no transparent pixel``,
    ``a painted checkerboard``); empty when it is there or was not asked. An opaque answer is failed whatever
    `accept` says; another size or format is a warning, or failed (``mismatch``) where `accept` says ``exact``.
    """
    size, form = size_warning(parts, facts), format_warning(parts, facts)
    warnings = tuple(warning for warning in (size, form) if warning)
    if opaque:
        return Verdict(state=State.FAILED, reason=Reason.OPAQUE, warnings=(opaque, *warnings))
    if (size and accept.size == "exact") or (form and accept.format == "exact"):
        return Verdict(state=State.FAILED, reason=Reason.MISMATCH, warnings=warnings)
    return Verdict(state=State.DONE, warnings=warnings)


def size_warning(parts: KeyParts, facts: Facts) -> str:
    """``asked 1536x1024, got 1248x832``; empty when the size is right or was left to the model."""
    asked = parts.params.get("size")
    match = SIZE.match(asked) if isinstance(asked, str) else None
    if match is None or (int(match[1]), int(match[2])) == (facts.width, facts.height):
        return ""
    return f"asked {int(match[1])}x{int(match[2])}, got {facts.width}x{facts.height}"


def format_warning(parts: KeyParts, facts: Facts) -> str:
    """``asked png, got webp``; empty when the format is right or was not asked."""
    asked = parts.params.get("output_format")
    if not isinstance(asked, str) or asked.lower().replace("jpg", "jpeg") == facts.format.value:
        return ""
    return f"asked {asked}, got {facts.format.value}"
