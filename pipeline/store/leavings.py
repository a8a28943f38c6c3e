"""What an attempt is called on disk, and the files it has beside its records in the spool."""

import os
import re
from pathlib import Path
from typing import Final

from pipeline.domain.record import AttemptId

ATTEMPT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""An id that can name files."""

FILE: Final = re.compile(rf"({ATTEMPT.pattern})\.(body|(?:\d{{1,3}})\.bin)")
"""A body of its own, or a picture fetched for it: whose, and which."""


def files_of(folder: Path, attempt_id: AttemptId) -> list[str]:
    """Names of an attempt's files, in order. Raises OSError."""
    with os.scandir(folder) as each:
        found = [match for entry in each if (match := FILE.fullmatch(entry.name))]
    return sorted(match[0] for match in found if match[1] == attempt_id)
