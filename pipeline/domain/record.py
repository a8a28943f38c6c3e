"""What the ledger is told and what it tells: rows as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from pipeline.domain.digest import Digest, Json
from pipeline.domain.errors import OutcomeUnknown
from pipeline.domain.image import Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.step import Accept, AssetName, KeyParts, StepKey

RunId = NewType("RunId", str)
AttemptId = NewType("AttemptId", str)
Space = NewType("Space", str)
"""A key space: what one space has never satisfies another."""

PAID = Space("")
SKETCH = Space("sketch")


class Outcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Where an asset (or the slot of a key) stands."""

    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    WAITING = "waiting"


class Reason(StrEnum):
    """Why an asset is failed although nothing may be asked again by itself, and other causes the next run looks at."""

    INPUT = "input"
    OPAQUE = "opaque"
    MISMATCH = "mismatch"
    LOST = "lost"
    REJECTED = "rejected"
    MODEL = "model"
    EXHAUSTED = "exhausted"
    PARENT = "parent"


PAID_FAILURES = frozenset({Reason.OPAQUE, Reason.MISMATCH, Reason.LOST})
"""Failed, but paid for: not asked again until the key changes or a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSlot:
    """One picture an attempt is to bring. accept: how a picture of another size or format is taken."""

    key: StepKey
    parts: KeyParts
    asset: AssetName
    accept: Accept = Accept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is written durably before a request leaves: from here on, money may be spent.

    endpoint: normalised base URL (no secrets). cost_low, cost_high: what it may cost, in micro-USD.
    request_digest: of the request as sent, less the key. key_fingerprint: first 8 hex digits of the SHA-256 of
    the API key, so that a rotated key can be told. notes: what was done to the inputs.
    preset, price: what an answer's cost is told by, so that recovery can tell it without the manifest.
    """

    attempt_id: AttemptId
    run_id: RunId
    space: Space
    manifest: str
    provider: str
    endpoint: str
    protocol: str
    model: str
    slots: tuple[IntentSlot, ...]
    cost_low: MicroUsd
    cost_high: MicroUsd
    request_digest: Digest
    key_fingerprint: str
    boot_id: str
    opened_at: datetime
    notes: tuple[str, ...] = ()
    preset: str = ""
    price: MicroUsd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A picture that arrived and is stored. slot: index into the intent's slots; None for surplus.

    state, reason: what it makes of its slot (``failed``/``opaque`` keeps the picture and shows it).
    """

    image: Image
    slot: int | None
    state: State
    reason: str = ""
    revised_prompt: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How an attempt ended, all of it in one transaction.

    cost: counted as spent (for ``unknown``: what is counted against the budget until it is reconciled; for a
    retried server fault 0, with cost_high kept). estimated: the cost is no figure of the host's.
    space: where the pictures belong, which for our own gateway's is the sketch space whatever was intended.
    reason: for the slots without a picture. culprit: the probable cause of an unknown outcome.
    """

    attempt_id: AttemptId
    outcome: Outcome
    ended_at: datetime
    space: Space
    kept: tuple[Kept, ...] = ()
    reason: str = ""
    http_status: int = 0
    error_code: str = ""
    request_id: str = ""
    remote_id: str = ""
    message: str = ""
    seconds: float = 0.0
    cost: MicroUsd = MicroUsd(0)
    cost_high: MicroUsd = MicroUsd(0)
    estimated: bool = True
    usage: Mapping[str, Json] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""
    categories: tuple[str, ...] = ()
    culprit: str = ""
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What one settled attempt brought: for each step of its request what was kept, in order; None where missing.

    cost: what the attempt counts as spent, in micro-USD. unknown: set where the steps without a picture are perhaps
    billed, and so may not be asked again; None: they were simply not delivered.
    """

    attempt_id: AttemptId
    kept: tuple[Kept | None, ...]
    cost: MicroUsd
    unknown: OutcomeUnknown | None = None


class Slot(NamedTuple):
    """What the ledger knows of one key in one space. A tuple, since a plan looks up a million of them.

    image: None unless bytes are kept. run_id: of the run that last decided it.
    """

    key: StepKey
    state: State
    reason: str
    image: Image | None
    run_id: RunId
    attempt_id: AttemptId
    usd: MicroUsd
    warnings: tuple[str, ...]
    updated_at: datetime


class AssetRow(NamedTuple):
    """Where an asset of a manifest stands, as the last run or command left it. A tuple, since each run makes one of
    every asset.

    path: relative to the output folder of the manifest, with extension; empty when there is no file.
    usd: what its present picture cost when it was bought. previous: the picture it had before, if another.
    """

    manifest: str
    space: Space
    asset: AssetName
    shot: str
    axes: tuple[tuple[str, str], ...]
    step_id: str
    depth: int
    candidate: int
    parent: AssetName | None
    model_alias: str
    key: StepKey | None
    state: State
    reason: str
    image: Image | None
    path: str
    usd: MicroUsd
    warnings: tuple[str, ...]
    run_id: RunId
    updated_at: datetime
    previous: Digest | None = None


class Listed(NamedTuple):
    """What is told of an asset where there are very many: `AssetRow`'s fields of these names."""

    asset: AssetName
    model_alias: str
    state: State
    reason: str
    path: str
    usd: MicroUsd
    warnings: tuple[str, ...]
    image: Image | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One POST as the ledger has it (view ``v_attempts`` and what people ask for)."""

    attempt_id: AttemptId
    run_id: RunId
    space: Space
    manifest: str
    assets: tuple[AssetName, ...]
    keys: tuple[StepKey, ...]
    provider: str
    endpoint: str
    model: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    http_status: int
    error_code: str
    request_id: str
    usd: MicroUsd
    cost_high: MicroUsd
    estimated: bool
    message: str
    seconds: float
    culprit: str
    boot_id: str
    revised_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A picture that an attempt brought for an asset. at: when the attempt ended; usd: the slot's part of its cost."""

    attempt_id: AttemptId
    run_id: RunId
    space: Space
    asset: AssetName
    key: StepKey
    digest: Digest
    at: datetime
    usd: MicroUsd
    revised_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One execution of one plan. exit: None while it runs or when it died."""

    run_id: RunId
    manifest: str
    space: Space
    started_at: datetime
    ended_at: datetime | None
    exit: int | None
    requests: int
    retries: int
    images: int
    spent: MicroUsd
    unknown: MicroUsd


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Sums of micro-USD: surely spent, and perhaps spent (unknown outcomes at their worst)."""

    spent: MicroUsd
    unknown: MicroUsd

    @property
    def counted(self) -> MicroUsd:
        """What counts against a budget."""
        return MicroUsd(self.spent + self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A file of ours in the output tree: what was put there and what the file looked like then."""

    path: str
    digest: Digest
    size: int
    mtime_ns: int
    space: Space
    asset: AssetName
