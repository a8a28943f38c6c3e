"""The ledger's own refusals, each caught by someone."""

from typing import Literal

from pipeline.domain.errors import LedgerFault, PipelineError
from pipeline.domain.record import AttemptId, Space
from pipeline.domain.step import StepKey

Hindrance = Literal["claimed", "done", "bought"]
"""Why a slot may not be asked for: an attempt for it is open, it has its picture, it was paid for often enough."""


class SlotTaken(PipelineError):
    """A picture may not be bought now; nothing was written and nothing may be sent."""

    def __init__(self, key: StepKey, space: Space, hindrance: Hindrance) -> None:
        self.key = key
        self.space = space
        self.hindrance = hindrance
        said = {
            "claimed": "another attempt for it is open (wait for it, or start again so that it is recovered)",
            "done": "the ledger has it (use --again to buy another one)",
            "bought": "it was paid for as often as allowed (see reconcile)",
        }
        super().__init__(f"key {key[:12]}: not asked: {said[hindrance]}")


class Fenced(LedgerFault):
    """Somebody opened this ledger for writing after us: whatever we still wanted to write is refused."""

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(
            f"ledger: another run (epoch {theirs}) took over from this one (epoch {ours}): nothing more is written "
            "(let the other run finish, then run again)"
        )


class SettledOtherwise(LedgerFault):
    """An attempt is settled already, and not like this: an outcome is written once, ever."""

    def __init__(self, attempt_id: AttemptId, outcome: str, wanted: str) -> None:
        super().__init__(
            f"attempt {attempt_id}: it is settled as {outcome}, so it cannot become {wanted} (see `pipeline status`)"
        )


class NoSuchAttempt(LedgerFault):
    """The ledger has never heard of an attempt (or it is not one that this may be done to)."""
