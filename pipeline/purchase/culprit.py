"""Who probably cut the line: told from the status and from how alike the times of several cuts are."""

from collections.abc import Sequence

from pipeline.domain.errors import OutcomeUnknown

ALIKE = 0.03
"""Two cuts within 3 % of the same time have the same cause."""

KNOWN_CUTS = (
    (60.0, "nginx's default of 60 s"),
    (100.0, "Cloudflare's 100 s"),
    (120.0, "a proxy's 120 s"),
    (125.0, "a proxy's 125 s"),
)


def culprit(error: OutcomeUnknown, seconds: float, earlier: Sequence[float], total: float) -> str:
    """A few words for people, empty when nothing can be told.

    seconds: from sending to the cut. earlier: the same for earlier unknown outcomes of this provider in this run.
    total: our own limit for a whole request, which is the culprit when it was reached.
    """
    status = error.answered.status
    if seconds >= total * 0.98:
        return f"our own limit of {total:.0f} s (timeout.total)"
    alike = [past for past in earlier if abs(past - seconds) <= ALIKE * max(past, seconds)]
    if len(alike) >= 2 and seconds >= 5:
        return f"{_ordinal(len(alike) + 1)} time at {seconds:.0f} s: a proxy?"
    if status in {502, 504} or 520 <= status <= 526:
        return f"a proxy answered {status}, not the maker"
    for cut, name in KNOWN_CUTS:
        if abs(seconds - cut) <= ALIKE * cut:
            return f"{name}? `stream: auto` keeps such a line open"
    return ""


def _ordinal(count: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}.get(count, f"{count}th")
