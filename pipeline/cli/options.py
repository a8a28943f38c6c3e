"""What several commands share: options, how their values are read, how a line is printed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.app.options import Choice
from pipeline.cli.completion import complete_asset, complete_manifest
from pipeline.domain.money import MicroUsd, from_usd

F = TypeVar("F", bound=Callable[..., Any])

ACCEPTABLE = frozenset({"refused", "failed", "unknown", "feed"})


MOST = 10**18
"""Micro-USD: a trillion dollars; beyond it sums leave the integers a database has."""


class Usd(click.ParamType[MicroUsd]):
    """An amount of USD: ``5``, ``5.50``, ``"5 USD"``, ``$5``."""

    name = "usd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> MicroUsd:
        """The amount in micro-USD."""
        text = str(value).strip().removeprefix("$").removesuffix("USD").strip()
        try:
            amount = from_usd(text)
        except (ArithmeticError, ValueError):
            self.fail(f"'{value}' is not an amount of USD (write 5 or 5.50)", param, ctx)
        if amount < 0:
            self.fail(f"'{value}' is less than nothing (write 5 or 5.50)", param, ctx)
        if amount > MOST:
            self.fail(f"'{value}' is more than there is (write 5 or 5.50)", param, ctx)
        return amount


class Words(click.ParamType[frozenset[str]]):
    """A comma-separated list out of a closed set of words."""

    name = "words"

    def __init__(self, allowed: frozenset[str]) -> None:
        self.allowed = allowed

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """The words as a set."""
        if isinstance(value, frozenset):
            return value
        words = frozenset(word.strip() for word in str(value).split(",") if word.strip())
        unknown = sorted(words - self.allowed)
        if unknown:
            self.fail(f"'{unknown[0]}' is none of {', '.join(sorted(self.allowed))}", param, ctx)
        return words


def manifest_argument(function: F) -> F:
    """One manifest."""
    return click.argument("manifest", type=click.Path(path_type=Path), shell_complete=complete_manifest)(function)


def manifests_argument(function: F) -> F:
    """One manifest or several."""
    return click.argument(
        "manifests",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path),
        metavar="MANIFEST…",
        shell_complete=complete_manifest,
    )(function)


def output_option(function: F) -> F:
    """``--output DIR``."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="The output folder (default: output/ beside the manifest's jobs/ folder, or beside the manifest).",
    )(function)


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def provider_option(function: F) -> F:
    """``--provider NAME``, for commands that show what a run with it has left."""
    return click.option(
        "--provider", metavar="NAME", help="As in the run to be shown: `sketch` shows what a rehearsal has left."
    )(function)


def wait_option(function: F) -> F:
    """``--wait``."""
    return click.option("--wait", is_flag=True, help="Wait for another run on this ledger instead of exit 75.")(
        function
    )


CHOICES: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--only",
        multiple=True,
        metavar="GLOB",
        shell_complete=complete_asset,
        help="Only assets whose name matches (repeatable).",
    ),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N steps."),
    click.option("--provider", metavar="NAME", help="Override every model's provider; `sketch` is the free rehearsal."),
    click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Override any value of the manifest."),
    click.option("--budget", type=Usd(), metavar="USD", help="Replaces budget.per_run."),
    click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Requests in flight at most."),
    click.option(
        "--again",
        multiple=True,
        metavar="GLOB",
        shell_complete=complete_asset,
        help="Ask anew although the ledger has it (repeatable).",
    ),
    click.option("--retry", type=click.Choice(["refused"]), help="Ask refused ones again."),
    click.option("--strict", is_flag=True, help="A broken row of a feed is fatal."),
)


def choice_options(function: F) -> F:
    """The options that `plan` and `run` share."""
    for option in reversed(CHOICES):
        function = option(function)
    return function


def choice_of(manifest: Path, output: Path | None, given: dict[str, Any]) -> Choice:
    """The `Choice` told by the options of `choice_options`; takes them out of *given*."""
    return Choice(
        manifest=manifest,
        output=output,
        only=given.pop("only"),
        again=given.pop("again"),
        limit=given.pop("limit"),
        provider=given.pop("provider"),
        sets=given.pop("sets"),
        budget=given.pop("budget"),
        concurrency=given.pop("concurrency"),
        retry_refused=given.pop("retry") == "refused",
        strict=given.pop("strict"),
    )


def say(line: str) -> None:
    """Prints a line of a result, broken between words where the terminal would break it anywhere."""
    from pipeline.cli.screen import columns, wrapped

    click.echo(wrapped(line, columns(sys.stdout)))
