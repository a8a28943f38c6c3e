"""Sealed text: JSON that carries the SHA-256 of itself, and its strict reading, field by field."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from pipeline.domain.digest import Digest, Json, canonical_json, digest_of

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
MOST: Final = 1000
LONGEST: Final = 100_000


def seal(body: Mapping[str, Json]) -> bytes:
    """One line of JSON: *body* in its canonical form, and its seal at the end. *body* is not empty."""
    plain = canonical_json(dict(body))
    return plain[:-1] + f',"sha256":"{digest_of(plain)}"}}\n'.encode()


def unseal(data: bytes, version: int) -> "Fields":
    """What `seal` was given. Raises ValueError, with a line, for damaged text and for another *version*."""
    try:
        loaded = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    body = Fields(loaded)
    said = body.text("sha256")
    if digest_of(canonical_json({key: value for key, value in body.all().items() if key != "sha256"})) != said:
        raise ValueError("its seal is broken: the text was damaged or changed")
    if body.number("version") != version:
        raise ValueError("written by another version of this program")
    return body


class Fields:
    """A JSON object whose fields are read by name and type; anything else is a ValueError that names the field."""

    __slots__ = ("_values",)

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError("an object was expected")  # noqa: TRY004 - every fault of a text is a ValueError here
        self._values: dict[str, Json] = value

    def all(self) -> dict[str, Json]:
        """Every field."""
        return self._values

    def text(self, name: str) -> str:
        """A text of bearable length."""
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > LONGEST:
            raise ValueError(f"{name}: text was expected")
        return value

    def number(self, name: str) -> int:
        """A whole number, not negative."""
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
            raise ValueError(f"{name}: a whole number was expected")
        return value

    def real(self, name: str) -> float:
        """A finite number."""
        value = self._values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"{name}: a number was expected")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise ValueError(f"{name}: true or false was expected")  # noqa: TRY004 - as above
        return value

    def digest(self, name: str) -> Digest:
        """A SHA-256."""
        value = self.text(name)
        if not DIGEST.fullmatch(value):
            raise ValueError(f"{name}: a SHA-256 was expected")
        return Digest(value)

    def time(self, name: str) -> datetime:
        """A time with its zone."""
        moment = datetime.fromisoformat(self.text(name))
        if moment.tzinfo is None:
            raise ValueError(f"{name}: a time with its zone was expected")
        return moment

    def fields(self, name: str) -> "Fields":
        """An object."""
        return Fields(self._values.get(name))

    def mapping(self, name: str) -> dict[str, Json]:
        """An object as it is."""
        return self.fields(name).all()

    def items(self, name: str) -> list[Json]:
        """A list of bearable length."""
        value = self._values.get(name)
        if not isinstance(value, list) or len(value) > MOST:
            raise ValueError(f"{name}: a list was expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{name}: a list of texts was expected")
        return tuple(cast("list[str]", values))

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None
