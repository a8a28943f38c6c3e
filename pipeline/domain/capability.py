"""What providers and models can do and cost: the values the catalogue's data is read into."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pipeline.domain.money import MicroUsd
from pipeline.domain.step import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Seconds: to open a connection, for the whole request, between two bytes of the answer."""

    connect: float = 10.0
    total: float = 420.0
    idle: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """At most this many at once and per minute or day; None: not known, to be learned."""

    concurrency: int | None = None
    requests_per_minute: float | None = None
    images_per_minute: float | None = None
    tokens_per_minute: float | None = None
    images_per_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one kind of gateway wants to be spoken to.

    response_format: send that parameter (``b64_json`` or ``url``); None: never send it.
    edits: how edits travel. image_field: multipart name of the pictures (``standard``: ``image`` for one,
    ``image[]`` for several). options: how a chat request carries aspect ratio and size.
    conversation: what goes back in a chain on chat (``picture``: the last picture in a user message;
    ``whole``: all turns).
    stream: whether partial images are known to work. free: costs nothing (own key space).
    id_header: the response header with the request id. max_body: bytes of an answer at most, for each picture.
    """

    base_url: str = ""
    protocol: Protocol = "images"
    response_format: Literal["b64_json", "url"] | None = None
    edits: Literal["multipart", "json", "none"] = "multipart"
    image_field: Literal["standard", "image", "image[]"] = "standard"
    options: Literal["openrouter", "newapi", "google"] = "openrouter"
    conversation: Literal["picture", "whole"] = "picture"
    stream: bool = False
    free: bool = False
    id_header: str = "x-request-id"
    max_body: int = 64 * 1024 * 1024
    verified_at: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Manner):
    """A kind of gateway by its name: how it wants to be spoken to, and how fast."""

    name: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the catalogue says about one parameter of one request. param: empty when the model as such is meant."""

    severity: Literal["error", "warning", "hint"]
    param: str
    what: str
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Price of one request in micro-USD: expected, and the most it can be.

    source: ``usage`` table, manifest ``price``, ``estimate``. tokens: expected output tokens (0 unknown).
    """

    expected: MicroUsd
    worst: MicroUsd
    source: Literal["free", "tokens", "price", "estimate"]
    tokens: int = 0
