"""What a person asked of a command, as values."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.domain.money import MicroUsd

if TYPE_CHECKING:  # every command reads its options; what a run leaves for others is loaded by `run` alone
    from pipeline.app.nightly.files import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which manifest and which part of it: shared by `plan` and `run`.

    only, again: globs over asset names. limit: steps at most. provider: overrides every model's.
    sets: ``PATH=VALUE``. budget: replaces ``budget.per_run``, in micro-USD. concurrency: replaces every provider's.
    retry_refused: ask refused ones again. strict: a broken row of a feed is fatal.
    """

    manifest: Path
    output: Path | None = None
    only: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    limit: int | None = None
    provider: str | None = None
    sets: tuple[str, ...] = ()
    budget: MicroUsd | None = None
    concurrency: int | None = None
    retry_refused: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run behaves. accept: which outcomes become exit 0, and ``feed``. stamp: touched after a success.

    delivery: files that are left for other programs.
    """

    choice: Choice
    accept: frozenset[str] = frozenset()
    stamp: Path | None = None
    sheet: bool = True
    wait: bool = False
    fail_fast: bool = False
    delivery: "Delivery | None" = None
