"""The files of one attempt in the spool, in the order in which they may go."""

import os
import re
from pathlib import Path
from typing import Final

from pipeline.domain.record import AttemptId

_KINDS: Final = frozenset({"intent", "sent", "head", "part", "body"})
_PICTURE: Final = re.compile(r"\d{1,3}\.bin")


def files_of(folder: Path, attempt_id: AttemptId) -> list[str]:
    """Names of an attempt's files; ``.sent`` and ``.intent`` last, for while they are there something may be owed."""
    start = len(attempt_id) + 1
    found = (entry.name for entry in os.scandir(folder) if entry.name.startswith(f"{attempt_id}."))
    ours = (name for name in found if name[start:] in _KINDS or _PICTURE.fullmatch(name[start:]))
    return sorted(ours, key=lambda name: (name.endswith(".intent"), name.endswith(".sent"), name))
