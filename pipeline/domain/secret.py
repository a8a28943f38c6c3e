"""A secret that can be carried about and never shows itself."""

import hashlib
import hmac
from typing import NoReturn


class Secret:
    """An API key: compares and hashes like its value, prints as ``Secret(…)``, refuses to be pickled or copied out.

    Surrounding white space is no part of it (keys come from files that end in a newline).
    """

    __slots__ = ("__value",)

    def __init__(self, value: "str | Secret") -> None:
        self.__value = value.reveal() if isinstance(value, Secret) else value.strip()

    def reveal(self) -> str:
        """The secret itself; called only where a request's headers are made and where texts are redacted."""
        return self.__value

    def fingerprint(self) -> str:
        """First 8 hexadecimal digits of its SHA-256: tells a rotated key without telling the key."""
        return hashlib.sha256(self.__value.encode("utf-8", "surrogatepass")).hexdigest()[:8]

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (s.reveal().encode("utf-8", "surrogatepass") for s in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")
