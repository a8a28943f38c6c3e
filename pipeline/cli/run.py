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
    from pipeline.domain.event import Event
    from pipeline.ports import Recorder


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
    from pipeline.app.run import run_manifest
    from pipeline.app.tally import Tally
    from pipeline.app.world import World
    from pipeline.cli.journal import Journal
    from pipeline.cli.root import tell
    from pipeline.cli.screen import open_screen
    from pipeline.cli.summary import summary

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
        listeners: list[Recorder] = [tally, stack.enter_context(open_screen(tally))]
        if log is not None:
            listeners.append(stack.enter_context(Journal(log, world.clock.now)))

        def tell_all(event: "Event") -> None:
            for listener in listeners:
                listener(event)

        try:
            report = run_manifest(options, world, tally, tell_all)
        except Exception as error:  # noqa: BLE001 -- other manifests are still to be run; `tell` knows what it means
            return tell(error)
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        click.echo(summary(report, color=sys.stdout.isatty()))
    return report.exit
