"""The files an attempt has beside its records in the spool: a body of its own, and pictures fetched for it."""

import os
import re
from pathlib import Path
from typing import Final

from pipeline.domain.record import AttemptId

_KIND: Final = re.compile(r"body|\d{1,3}\.bin")


def files_of(folder: Path, attempt_id: AttemptId) -> list[str]:
    """Names of an attempt's files, in order. Raises OSError."""
    start = len(attempt_id) + 1
    found = (entry.name for entry in os.scandir(folder) if entry.name.startswith(f"{attempt_id}."))
    return sorted(name for name in found if _KIND.fullmatch(name[start:]))
