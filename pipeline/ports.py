"""The seams: what the rooms ask of one another, one protocol each."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.domain.capability import Finding, Profile, Quote
from pipeline.domain.digest import Digest, Json
from pipeline.domain.event import Event
from pipeline.domain.image import Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Rendered
from pipeline.domain.request import Answer, Head, ImageRequest, Prepared, Usage
from pipeline.domain.step import Role

Recorder = Callable[[Event], None]
"""Is told every event of a run, in order; must not raise and must not wait."""


T = TypeVar("T")


class Blocking(Protocol):
    """Where work that blocks is done: a worker thread in life, at once in virtual-time tests."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Does it and gives back what it gave; runs to its end even when the caller is cancelled."""
        ...


class Clock(Protocol):
    """Written time. Waited time is anyio's."""

    def now(self) -> datetime:
        """The present, in UTC."""
        ...


class Provider(Protocol):
    """The only thing that costs money. Limits, retries, budget and record are wrappers with this interface."""

    async def render(self, request: ImageRequest) -> Rendered:
        """Asks once and brings kept pictures.

        Raises ProviderError (its subclass says what may follow), BudgetReached, DiskFull, InputFault.
        """
        ...


class Flight(Protocol):
    """Is told how far one POST got, as it happens; lives on disk, so that a kill loses nothing that arrived."""

    def sent(self) -> None:
        """Called just before the first byte of the request leaves."""
        ...

    def head(self, head: Head) -> None:
        """Called once with status and headers."""
        ...

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Called with the body's bytes as they come. Raises DiskFull."""
        ...


class Endpoint(Protocol):
    """One protocol of one host: sends a request, reads an answer. Keeps nothing, retries nothing."""

    async def post(self, request: ImageRequest, flight: Flight) -> Head:
        """Sends one POST and streams the whole body into *flight*.

        Raises NotSent when the request was surely not handed over whole, OutcomeUnknown when it was and the
        answer did not come whole.
        """
        ...

    def read(self, head: Head, body: bytes) -> Answer:
        """Reads a whole body. Pure. Raises ProviderError by the one table of `wire`."""
        ...

    async def fetch(self, url: str) -> bytes:
        """Fetches a url result: at once, bounded, without the key unless it is the same origin.

        Raises OutcomeUnknown when it cannot be had.
        """
        ...


class ImageStore(Protocol):
    """Immutable pictures, named by the SHA-256 of their bytes; whole or not at all. All calls block."""

    def put(self, data: bytes, sync: Callable[[int], None] | None = None) -> Image:
        """Stores a whole picture durably. Idempotent. sync: what is done with the descriptor of its folder instead of
        syncing it at once, so that folders may be synced together.

        Raises BrokenPicture (in `inspect`) when the structure is not whole, DiskFull when there is no room.
        """
        ...

    def path(self, image: Image) -> Path:
        """Where the bytes are."""
        ...

    def has(self, image: Image) -> bool:
        """Whether a file of the right size is there (no hashing)."""
        ...

    def wrote(self, image: Image, status: os.stat_result) -> bool:
        """Whether the file with this status is the one that `put` wrote from bytes it had hashed, untouched since then:
        it need not be hashed again. Said once for each picture."""
        ...

    def read(self, image: Image) -> bytes:
        """The bytes, checked against their name. Raises MachineError when they are damaged or gone."""
        ...


class Inputs(Protocol):
    """Files and URLs as digests and as sendable files."""

    def digest(self, source: str) -> Digest:
        """SHA-256 of a local file or fetched URL as given; remembered for the run. Raises InputFault."""
        ...

    def prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        """A sendable copy of what was hashed. Blocks. Raises InputFault when the file changed meanwhile."""
        ...


class Catalogue(Protocol):
    """What providers and models can do, cost and when they end, from dated data."""

    def profile(self, preset: str) -> Profile | None:
        """The profile of a preset; None when there is no such preset."""
        ...

    def presets(self) -> Sequence[str]:
        """Names of all presets."""
        ...

    def check(
        self, profile: Profile, model: str, params: Mapping[str, Json], *, images: int, mask: bool
    ) -> Sequence[Finding]:
        """What this provider says to these parameters for this model. images: how many go along (0: generation)."""
        ...

    def quote(
        self,
        profile: Profile,
        model: str,
        params: Mapping[str, Json],
        *,
        prompt_chars: int,
        input_sizes: Sequence[tuple[int, int]],
        count: int,
    ) -> Quote | None:
        """The price of one request; None when the model has no price here. input_sizes: width, height in pixels."""
        ...

    def bill(self, profile: Profile, model: str, usage: Usage) -> MicroUsd | None:
        """The price of an answer from its usage; None when the model has no token prices."""
        ...
