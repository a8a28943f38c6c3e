"""What happens during a run, told once to everyone who listens: screen, log, tests."""

from dataclasses import dataclass

from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Outcome, RunId, State
from pipeline.domain.step import AssetName


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """totals: wanted assets per shot, in the manifest's order. budget: of this run. limit: assets asked for at most.

    images_per_minute: what the limits allow, all providers together; None where one of them has no limit.
    """

    run_id: RunId
    manifest: str
    totals: tuple[tuple[str, int], ...]
    budget: MicroUsd | None
    images_per_minute: float | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSent:
    """A request is on its way. assets: what it is to bring. repeat: it is not the first try."""

    attempt_id: AttemptId
    assets: tuple[AssetName, ...]
    provider: str
    model: str
    worst: MicroUsd
    repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """An attempt ended. seconds: how long it took. usd: what it counts for."""

    attempt_id: AttemptId
    assets: tuple[AssetName, ...]
    provider: str
    outcome: Outcome
    http_status: int
    code: str
    message: str
    request_id: str
    images: int
    usd: MicroUsd
    seconds: float
    culprit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """An attempt will be repeated after so many seconds."""

    assets: tuple[AssetName, ...]
    provider: str
    attempt: int
    seconds: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """All workers of a provider wait for so many seconds."""

    provider: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStopped:
    """Nothing more is started at this provider in this run. exit: the status it asks for."""

    provider: str
    why: str
    exit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSettled:
    """An asset reached its state in this run.

    cached: it was there, or another asset's request brought it. asked: a request was to be made for it in this run.
    """

    asset: AssetName
    shot: str
    state: State
    reason: str
    cached: bool
    path: str
    usd: MicroUsd
    warnings: tuple[str, ...] = ()
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something a person should read; nothing depends on it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over and everything is written."""

    run_id: RunId
    exit: int


Event = RunStarted | AttemptSent | AttemptEnded | Backoff | CoolDown | ProviderStopped | AssetSettled | Note | RunEnded
