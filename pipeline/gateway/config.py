"""What a gateway is told before it starts."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pipeline.domain.errors import UserError
from pipeline.gateway.faults import Fault
from pipeline.manifest.units import duration

ProfileName: TypeAlias = Literal["openai", "clauddy", "dieyuyun", "newapi", "lenient"]
"""The dialects the gateway can speak."""

ChatShape: TypeAlias = Literal["a", "b", "c", "d", "e"]
"""How a chat answer carries its picture: ``message.images``, markdown, a hosted URL, content parts, bare base64."""

GENUINE = {"low": 10.0, "medium": 48.0, "high": 126.0, "xhigh": 160.0, "max": 200.0}
"""Seconds a 1024x1024 picture of gpt-image-2 takes, by quality (users' reports, 2026)."""

_BODY_LIMIT = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long an answer takes, in seconds: the same for all, or by quality where one is named."""

    seconds: float = 0.0
    by_quality: Mapping[str, float] = field(default_factory=dict)

    def of(self, quality: str) -> float:
        """Seconds for one request of that (resolved) quality."""
        return self.by_quality.get(quality, self.seconds)


def _seconds(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise UserError(f"latency {text!r}: this is no time ({error})") from error


def parse_latency(text: str) -> Latency:
    """A latency as people type it: ``0.2s``, ``low=1s,medium=5s,high=12s``, ``genuine`` or ``genuine/100``.

    Raises UserError.
    """
    text = text.strip()
    if text.partition("/")[0] == "genuine":
        factor = text.partition("/")[2] or "1"
        if not re.fullmatch(r"\d+(\.\d+)?", factor) or float(factor) == 0:
            raise UserError(f"{text!r} is not a latency (write genuine or genuine/100)")
        return Latency(
            seconds=GENUINE["medium"] / float(factor),
            by_quality={name: seconds / float(factor) for name, seconds in GENUINE.items()},
        )
    if "=" not in text:
        return Latency(seconds=_seconds(text))
    pairs = (part.partition("=") for part in text.split(","))
    return Latency(by_quality={name.strip(): _seconds(value) for name, _, value in pairs})


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Everything a gateway is told.

    rpm, ipm: requests and images a minute for each key; None: no limit. seed: of the pictures and of the
    faults. keys: the only ones let in; empty: any key, also none. body_limit: bytes of one request, as sent
    and unpacked. proxy_cut: seconds after which a proxy in front would give up (the picture is billed all the
    same). url_lifetime: seconds a hosted result can be fetched. chat_shape: how chat answers carry pictures.
    ping: seconds between comments on a silent stream; None: no comments. inline: draw on the event loop
    instead of in a thread (for virtual time). clock: seconds since 1970, for ``created``.
    """

    profile: ProfileName = "openai"
    latency: Latency = field(default_factory=Latency)
    rpm: float | None = None
    ipm: float | None = None
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    keys: tuple[str, ...] = ()
    body_limit: int = _BODY_LIMIT
    proxy_cut: float | None = None
    url_lifetime: float = 3600.0
    chat_shape: ChatShape = "b"
    ping: float | None = None
    inline: bool = False
    clock: Callable[[], float] = time.time
