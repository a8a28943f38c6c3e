"""Names of files that are being written: one form in every room, so that one look tells what a dead process left."""

import re
import secrets
from typing import Final

_NAME: Final = re.compile(r"\.part-[0-9a-f]{16}")


def temporary_name() -> str:
    """A name that nobody else has, hidden, that `is_temporary` knows."""
    return f".part-{secrets.token_hex(8)}"


def is_temporary(name: str) -> bool:
    """Whether a file's name is what `temporary_name` gives; a person's own ``.part-one`` is not."""
    return _NAME.fullmatch(name) is not None
