"""What a person asked of a command, as values."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.domain.money import MicroUsd, to_usd

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

    @property
    def place(self) -> str:
        """The manifest and its output as they are typed."""
        return shlex.join([str(self.manifest), *self._output()])

    @property
    def seen(self) -> str:
        """The same with the provider that overrides, since a rehearsal has assets of its own."""
        return " ".join([self.place, *(["--provider", shlex.quote(self.provider)] if self.provider else [])])

    @property
    def typed(self) -> str:
        """All of it as it is typed, but `again`: what was asked anew is not to be asked anew by a copied line."""
        return shlex.join([str(self.manifest), *self._output(), *self._narrowed()])

    def _output(self) -> Iterator[str]:
        if self.output is not None:
            yield from ("--output", str(self.output))

    def _narrowed(self) -> Iterator[str]:
        said = [("--only", pattern) for pattern in self.only] + [("--set", value) for value in self.sets]
        budget = f"{to_usd(self.budget):g}" if self.budget is not None else None
        said += [
            (name, str(value))
            for name, value in (
                ("--limit", self.limit),
                ("--provider", self.provider),
                ("--budget", budget),
                ("--concurrency", self.concurrency),
            )
            if value is not None
        ]
        for name, value in said:
            yield from (name, value)
        if self.retry_refused:
            yield from ("--retry", "refused")
        if self.strict:
            yield "--strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run behaves. accept: which outcomes become exit 0, and ``feed``. stamp: touched after a success.

    delivery: files that are left for other programs. alone: there is one manifest in the command; of several, one may
    have no asset that a pattern names.
    """

    choice: Choice
    accept: frozenset[str] = frozenset()
    stamp: Path | None = None
    sheet: bool = True
    wait: bool = False
    fail_fast: bool = False
    delivery: "Delivery | None" = None
    alone: bool = True
