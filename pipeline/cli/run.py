"""`pipeline run`: options in, screens and a summary out."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.exits import worst
from pipeline.app.options import RunOptions
from pipeline.cli.options import (
    ACCEPTABLE,
    Words,
    choice_of,
    choice_options,
    json_option,
    manifests_argument,
    output_option,
    wait_option,
)

if TYPE_CHECKING:
    from pipeline.app.tally import Tally
    from pipeline.app.world import World
    from pipeline.domain.event import Event
    from pipeline.ports import Recorder


UNREPORTED = frozenset({2, 75})
"""Exits without a JSON object: there was no run to tell of."""


@click.command(epilog="Example: pipeline run jobs/product-shots.yaml --budget 5 --log output/night.ndjson")
@manifests_argument
@output_option
@choice_options
@click.option(
    "--accept",
    type=Words(ACCEPTABLE),
    default=frozenset(),
    metavar="WORDS",
    help="Outcomes that become exit 0: refused,failed,unknown; `feed`: the changed feed is meant.",
)
@click.option(
    "--stamp",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Touch FILE after a success, for make.",
)
@click.option("--no-sheet", is_flag=True, help="Write no contact sheet.")
@click.option("--fail-fast", is_flag=True, help="Start nothing new after the first failure.")
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append one JSON object a line for every event.",
)
@wait_option
@json_option
def run(manifests: tuple[Path, ...], output: Path | None, as_json: bool, log: Path | None, **given: Any) -> int:
    """Make what the manifests want: resume, and never buy what the ledger has."""
    statuses = [_one(manifest, output, as_json, log, dict(given)) for manifest in manifests]
    return worst(statuses)


def _one(manifest: Path, output: Path | None, as_json: bool, log: Path | None, given: dict[str, Any]) -> int:
    from pipeline.app.tally import Tally
    from pipeline.app.world import World
    from pipeline.cli.journal import Journal
    from pipeline.cli.root import tell
    from pipeline.cli.screen import open_screen

    options = RunOptions(
        choice=choice_of(manifest, output, given),
        accept=given["accept"],
        stamp=given["stamp"],
        sheet=not given["no_sheet"],
        wait=given["wait"],
        fail_fast=given["fail_fast"],
    )
    world, tally = World(), Tally()
    with ExitStack() as stack:
        try:
            listeners: list[Recorder] = [tally, stack.enter_context(open_screen(tally))]
            if log is not None:
                listeners.append(stack.enter_context(Journal(log, world.clock.now)))
            return _ordered(options, world, tally, listeners, as_json)
        except Exception as error:  # noqa: BLE001 -- other manifests are still to be run; `tell` knows what it means
            return tell(error)


def _ordered(options: RunOptions, world: "World", tally: "Tally", listeners: "list[Recorder]", as_json: bool) -> int:
    """Runs one manifest and prints what it came to; raises what kept it from being read."""
    from pipeline.app.report import broken_off
    from pipeline.app.run import run_order
    from pipeline.app.shop import take_order
    from pipeline.cli.root import tell
    from pipeline.cli.summary import summary

    def tell_all(event: "Event") -> None:
        for listener in listeners:
            listener(event)

    order = take_order(options, world, tally, tell_all)
    try:
        report = run_order(order)
    except Exception as error:  # noqa: BLE001 -- however it ended, a program that reads us is told
        status = tell(error)
        if as_json and status not in UNREPORTED:
            told = broken_off(order.manifest.name, order.places.output, tally, exit_status=status)
            click.echo(json.dumps(told.as_json()))
        return status
    click.echo(json.dumps(report.as_json()) if as_json else summary(report, color=sys.stdout.isatty()))
    return report.exit
