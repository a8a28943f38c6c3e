"""What verifying finds."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.digest import Digest, Json


class Kind(StrEnum):
    """Faults by what mends them.

    damaged, missing: an image of the ledger whose file is not what its name says, or is gone. orphan: an image in the
    store that the ledger does not know. stray: a file in the store that is no image of ours. unread: a receipt of an
    attempt that the ledger does not have. unreceipted: a purchase of the ledger without its receipt. illegible: a
    receipt that cannot be read. unplaced: a copy that is gone from the output tree. edited: one that a person changed.
    unknown_file: a file in the output tree that we did not put there. left: spool files of no open attempt. ledger: the
    database itself.
    """

    DAMAGED = "damaged"
    MISSING = "missing"
    ORPHAN = "orphan"
    STRAY = "stray"
    UNREAD = "unread"
    UNRECEIPTED = "unreceipted"
    ILLEGIBLE = "illegible"
    UNPLACED = "unplaced"
    EDITED = "edited"
    UNKNOWN_FILE = "unknown_file"
    LEFT = "left"
    LEDGER = "ledger"


HARMLESS = frozenset({Kind.EDITED, Kind.UNKNOWN_FILE, Kind.STRAY})
"""What is a person's business: told, never mended, no reason for a bad exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it should be. digest: of the image it concerns; path: of the file."""

    kind: Kind
    text: str
    digest: Digest | None = None
    path: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {"kind": self.kind.value, "text": self.text, "sha256": self.digest, "path": self.path or None}
