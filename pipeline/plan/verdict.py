"""Whether a step is asked, from what the ledger has of its key: the rules of the next run, as one table."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.domain.record import PAID_FAILURES, Reason, Slot, State

Kind = Literal["new", "stale", "again", "cached", "held", "failed", "skipped", "left"]
"""What a plan says of an asset, in one word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """state, reason: of the asset as the plan sees it. why: in words. asks: a request is to be made for it.

    renew: asked anew on purpose although the slot is done, refused or was paid for. stale: the asset had a picture
    of another key. twin: another asset of the plan asks the same. kind: all of it in one word, told once for the many
    steps that share a verdict: ``stale`` is asked because something changed, ``again`` although nothing did, ``held``
    waits for a person (refused, unknown, paid failures).
    """

    state: State
    why: str
    reason: str = ""
    asks: bool = False
    renew: bool = False
    stale: bool = False
    twin: bool = False
    kind: Kind = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self._kind())

    def _kind(self) -> Kind:
        if self.state is State.DONE or self.twin:
            return "cached"
        if self.asks:
            return "new" if self.why == "new" else "stale" if self.stale else "again"
        if self.state is State.PLANNED:
            return "left"
        if self.state is State.SKIPPED:
            return "skipped"
        return "failed" if self.reason == Reason.INPUT else "held"


CACHED = Verdict(state=State.DONE, why="cached")
NEW = Verdict(state=State.PLANNED, why="new", asks=True)
NEW_EDIT = Verdict(state=State.PLANNED, why="new", asks=True)
LOST = Verdict(state=State.PLANNED, why="its picture is lost", asks=True, renew=True)
AGAIN = Verdict(state=State.PLANNED, why="asked again as told", asks=True, renew=True)
REFUSED_AGAIN = Verdict(state=State.PLANNED, why="refused before, asked again as told", asks=True, renew=True)
REFUSED = Verdict(state=State.REFUSED, why="held: refused before, ask again with --retry refused")
UNKNOWN = Verdict(state=State.UNKNOWN, why="held: outcome unknown, see reconcile")
PARENT_CHANGED = Verdict(state=State.PLANNED, why="parent changed", asks=True, stale=True)
BEYOND = Verdict(state=State.PLANNED, why="beyond --limit")
WAITS = Verdict(state=State.PLANNED, why="its parent is not asked for in this run")
TWIN = Verdict(state=State.PLANNED, why="the same request as another asset: asked once", twin=True)

_PAID = frozenset(str(reason) for reason in PAID_FAILURES)
_HELD = {
    "opaque": "held: came back opaque; change it or bless it",
    "mismatch": "held: came back in another size or format; change it or bless it",
    "lost": "held: billed but lost; ask again with reconcile --rebuy",
}


def judge(slot: Slot | None, *, again: bool, retry_refused: bool) -> Verdict:
    """What the next run does with a key.

    It asks `failed` (but what was paid for: `opaque`, `mismatch` and `lost`), `planned` and `skipped` again,
    `refused` only when told, `unknown` only after reconcile. again: a person asks for it anew although the ledger
    has it; an unknown outcome stays held even then, since nobody knows yet what was billed.
    """
    if slot is None:
        return NEW
    match slot.state:
        case State.DONE if slot.image is None:
            return LOST
        case State.DONE:
            return AGAIN if again else CACHED
        case State.UNKNOWN:
            return UNKNOWN
        case State.REFUSED:
            return REFUSED_AGAIN if retry_refused else REFUSED
        case State.FAILED:
            return _failed(slot.reason, again=again)
        case _:
            return Verdict(state=State.PLANNED, why="not asked yet", asks=True)


def _failed(reason: str, *, again: bool) -> Verdict:
    if reason not in _PAID:
        words = f"failed before: {reason}" if reason else "failed before"
        return Verdict(state=State.PLANNED, why=words, asks=True)
    if again:
        return AGAIN
    return Verdict(state=State.FAILED, why=_HELD[reason], reason=reason)


def unreadable(problem: str) -> Verdict:
    """An asset that cannot be asked: a broken row, a missing photo."""
    return Verdict(state=State.FAILED, why=problem, reason=Reason.INPUT)


def orphaned(parent: str, state: State) -> Verdict:
    """An edit whose parent will not be there."""
    return Verdict(state=State.SKIPPED, why=f"its parent {parent} is {state}", reason=Reason.PARENT)
