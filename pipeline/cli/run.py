"""`pipeline run`: options in, screens and a summary out."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.exits import worst
from pipeline.app.nightly.files import Delivery
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
from pipeline.domain.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.app.nightly.message import Message
    from pipeline.app.tally import Tally
    from pipeline.app.world import World
    from pipeline.domain.event import Event
    from pipeline.manifest.model import Manifest
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
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write JUnit XML, one case an asset.",
)
@click.option(
    "--summary",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a summary in Markdown, for CI job pages.",
)
@click.option(
    "--notify",
    multiple=True,
    metavar="URL",
    help="POST how it went to a webhook (Slack, Discord or any other): a URL, env:NAME or file:PATH (repeatable).",
)
@wait_option
@json_option
def run(manifests: tuple[Path, ...], output: Path | None, as_json: bool, log: Path | None, **given: Any) -> int:
    """Make what the manifests want: resume, and never buy what the ledger has."""
    given["delivery"] = Delivery(junit=given.pop("junit"), page=given.pop("page"))
    given["alone"] = len(manifests) == 1
    statuses = [_one(manifest, output, as_json, log, dict(given)) for manifest in manifests]
    return worst(statuses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one manifest ended. loaded: None when it could not even be read. said: for standard output. error: what it
    ended with instead of a report."""

    message: "Message"
    loaded: "Manifest | None" = None
    said: str = ""
    error: Exception | None = None


def _one(manifest: Path, output: Path | None, as_json: bool, log: Path | None, given: dict[str, Any]) -> int:
    from pipeline.app.nightly.message import Message
    from pipeline.app.tally import Tally
    from pipeline.app.world import World
    from pipeline.cli.journal import Journal
    from pipeline.cli.root import exit_for, sentence, tell
    from pipeline.cli.screen import open_screen

    delivery: Delivery = given["delivery"]
    options = RunOptions(
        choice=choice_of(manifest, output, given),
        accept=given["accept"],
        stamp=given["stamp"],
        sheet=not given["no_sheet"],
        wait=given["wait"],
        fail_fast=given["fail_fast"],
        delivery=delivery,
        alone=given["alone"],
    )
    world, tally = World(), Tally()
    with ExitStack() as stack:
        try:
            listeners: list[Recorder] = [tally, delivery, stack.enter_context(open_screen(tally))]
            if log is not None:
                listeners.append(stack.enter_context(Journal(log, world.clock.now)))
            ended = _ordered(options, world, tally, listeners, as_json)
        except Exception as error:  # noqa: BLE001 -- other manifests are still to be run; it is told below
            message = Message(manifest=manifest.stem, exit=exit_for(error), fault=sentence(error))
            ended = Ended(message=message, error=error)
    # Only now: a live view takes its lines away when it ends, and whatever was printed below them.
    if ended.error is not None:
        tell(ended.error)
    if ended.said:
        _print(ended.said)
    return _pass_on(ended, delivery, world, given["notify"])


def _ordered(options: RunOptions, world: "World", tally: "Tally", listeners: "list[Recorder]", as_json: bool) -> Ended:
    """Runs one manifest; raises what kept it from being read."""
    from pipeline.app.nightly.message import Message, link_of
    from pipeline.app.report import broken_off
    from pipeline.app.run import run_order
    from pipeline.app.shop import take_order
    from pipeline.cli.root import exit_for, sentence
    from pipeline.cli.screen import columns, has_colors
    from pipeline.cli.summary import summary

    def tell_all(event: "Event") -> None:
        for listener in listeners:
            listener(event)

    order = take_order(options, world, tally, tell_all)
    name = order.manifest.name
    try:
        report = run_order(order)
    except Exception as error:  # noqa: BLE001 -- however it ended, a program that reads us is told
        fault, status = sentence(error), exit_for(error)
        if status in UNREPORTED:
            return Ended(message=Message(manifest=name, exit=status, fault=fault), loaded=order.manifest, error=error)
        told = broken_off(name, order.places.output, tally, exit_status=status)
        return Ended(
            message=Message(manifest=name, exit=status, report=told, fault=fault),
            loaded=order.manifest,
            said=json.dumps(told.as_json()) if as_json else "",
            error=error,
        )
    message = Message(manifest=name, exit=report.exit, report=report, link=link_of(world.environ, report))
    said = (
        json.dumps(report.as_json())
        if as_json
        else summary(report, color=has_colors(sys.stdout), width=columns(sys.stdout))
    )
    return Ended(message=message, loaded=order.manifest, said=said)


def _print(text: str) -> None:
    """Prints; a reader that went away changes nothing about how the run ended."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _pass_on(ended: Ended, delivery: Delivery, world: "World", given: Sequence[str]) -> int:
    """Leaves files and tells webhooks about a run that is over; gives the exit status of all of it."""
    from pipeline.app.nightly.telling import notify
    from pipeline.cli.root import tell
    from pipeline.cli.screen import tell_note

    status = ended.message.exit
    if ended.message.fault:
        try:
            delivery.add_broken(ended.message.manifest, ended.message.fault)
        except PipelineError as error:
            status = worst((status, tell(error)))
    notify(ended.message, manifest=ended.loaded, given=given, world=world, recorder=tell_note)
    return status
