"""Results that are fetched by URL: kept in memory for a while, bounded."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from pipeline.gateway.sketch import Drawn

_KEPT = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A picture that can be fetched until second *until* of the gateway's clock."""

    picture: Drawn
    until: float


class Hosted:
    """The results of one gateway; the oldest go when all together grow too large."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._bytes = 0

    def keep(self, picture: Drawn, now: float) -> str:
        """Keeps a picture and gives its name, which nobody can guess."""
        name = f"{secrets.token_hex(16)}.{picture.media_type.removeprefix('image/')}"
        self._results[name] = Result(picture=picture, until=now + self._lifetime)
        self._bytes += len(picture.data)
        while self._bytes > _KEPT and len(self._results) > 1:
            _, gone = self._results.popitem(last=False)
            self._bytes -= len(gone.picture.data)
        return name

    def find(self, name: str, now: float) -> Result | None:
        """The result of that name; None when there is none. The caller looks whether it has expired."""
        result = self._results.get(name)
        if result is not None and now >= result.until and result.picture.data:
            # The name stays, so that the answer is "expired" and not "never heard of".
            self._bytes -= len(result.picture.data)
            empty = Drawn(data=b"", media_type=result.picture.media_type, width=0, height=0)
            self._results[name] = Result(picture=empty, until=result.until)
        return self._results.get(name)
