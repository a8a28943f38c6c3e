"""Every error this project raises on purpose. A class exists because someone catches it.

PipelineError                  one line a person can act on: where: what is wrong (what to do)
├── UserError                  the user's: usage or manifest; exit 2
│   ├── ManifestError          all problems of a manifest at once
│   └── FeedGuardError         the feed guard stopped it; exit 5
├── MachineError               ours or the machine's: disk full, ledger unreadable; exit 1
│   ├── DiskFull               no room: nothing new may be sent
│   └── LedgerFault            the ledger cannot be read or written
├── LedgerBusy                 another run holds this ledger; exit 75
├── Interrupted                a signal came before anything was asked; exit 130 or 143
├── BudgetReached              this request would cross a budget, whatever is freed; exit 12
├── NotStarted                 nothing was sent: its provider was closed meanwhile; the asset stays planned
│   └── NetworkDown            the network did not come back within run.network_wait
├── InputFault                 one asset's input is missing, unreadable or changed mid-run (reason `input`)
└── ProviderError              an attempt that brought no picture; carries what the answer said
    ├── Transient              surely not billed, may pass
    │   ├── Throttled          429, 503: waited for and asked again
    │   ├── ServerFault        a 5xx with the maker's JSON error: asked again within retry.attempts
    │   └── NotSent            the connection never opened, or the request was not wholly handed over
    ├── Permanent              surely not billed, will not pass by itself
    │   ├── Refused            content: never sent again unchanged
    │   ├── BadRequest         the request as such is wrong
    │   ├── ModelMissing       no such model, or not for this key or group: that model's assets
    │   ├── KeyRefused         stops the provider; exit 3
    │   ├── NoFunds            stops the provider; exit 4
    │   └── QuotaGone          the day's quota: stops the provider
    └── OutcomeUnknown         sent, perhaps billed: held, never sent again unasked
"""

from collections.abc import Sequence
from dataclasses import dataclass


class PipelineError(Exception):
    """One line a person can act on."""


class UserError(PipelineError):
    """Wrong usage or manifest (exit 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a manifest. line and column count from 1; 0 when the file as a whole is meant."""

    file: str
    line: int
    column: int
    what: str
    instead: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.what}" + (f" ({self.instead})" if self.instead else "")


class ManifestError(UserError):
    """Every problem of a manifest at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FeedGuardError(UserError):
    """A feed changed more than its guard allows (exit 5)."""


class MachineError(PipelineError):
    """A fault in the tool or the machine (exit 1)."""


class DiskFull(MachineError):
    """A write found no room; nothing new may be sent."""


class LedgerFault(MachineError):
    """The ledger cannot be read or written."""


class LedgerBusy(PipelineError):
    """Another run holds this ledger (exit 75)."""


class Interrupted(PipelineError):
    """A signal came before anything was asked. exit: 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, message: str, exit: int) -> None:  # noqa: A002 - the contract's word for the status
        super().__init__(message)
        self.exit = exit


class BudgetReached(PipelineError):
    """This request would cross a budget whatever is freed (exit 12).

    bound: the key under ``budget:`` that holds it back; ``per_asset`` concerns one asset, the others the run.
    """

    def __init__(self, message: str, bound: str = "") -> None:
        super().__init__(message)
        self.bound = bound


class NotStarted(PipelineError):
    """Nothing was sent and nothing will be in this run: the asset stays planned."""


class NetworkDown(NotStarted):
    """The network was down for longer than ``run.network_wait``."""


class InputFault(PipelineError):
    """An input of one asset is missing, unreadable or not what was hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answer without a picture said; everything optional, everything already redacted.

    status: HTTP status, 0 when none came. retry_after: seconds the host asked to wait.
    seconds: how long the attempt took. stage, categories: of a refusal (``input`` or ``output``).
    param: the parameter a 400 names.
    """

    status: int = 0
    code: str = ""
    type: str = ""
    message: str = ""
    param: str = ""
    request_id: str = ""
    retry_after: float | None = None
    seconds: float = 0.0
    stage: str = ""
    categories: tuple[str, ...] = ()


class ProviderError(PipelineError):
    """An attempt that brought no picture."""

    def __init__(self, message: str, answered: Answered | None = None) -> None:
        super().__init__(message)
        self.answered = answered or Answered()


class Transient(ProviderError):
    """Surely not billed, and it may pass."""


class Throttled(Transient):
    """429, 503: waited for and asked again."""


class ServerFault(Transient):
    """A 5xx with the maker's JSON error; its worst price stays in the attempt's cost_high."""


class NotSent(Transient):
    """The connection never opened, or the request was not wholly handed over."""


class Permanent(ProviderError):
    """Surely not billed, and it will not pass by itself."""


class Refused(Permanent):
    """The content was refused; never sent again unchanged."""


class BadRequest(Permanent):
    """The request as such is wrong."""


class ModelMissing(Permanent):
    """No such model, or not for this key or group."""


class KeyRefused(Permanent):
    """The key is wrong or may not be used; stops the provider."""


class NoFunds(Permanent):
    """The money is gone; stops the provider."""


class QuotaGone(Permanent):
    """The day's quota is gone; stops the provider."""


class OutcomeUnknown(ProviderError):
    """Sent, perhaps billed: dropped, timed out, cut by a proxy, or a 200 whose bytes are unusable."""
