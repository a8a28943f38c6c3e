"""`pipeline status`, `trace`, `recall` and `sheet`: looking, never touching."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import json_option, manifest_argument, output_option, provider_option, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.app.looking import Origin, Status
    from pipeline.domain.digest import Json
    from pipeline.domain.record import AttemptRow, RunRow


LEARNED = {
    "seconds": "an answer takes about {:.1f} s",
    "concurrency": "{:.0f} at once went well",
    "requests_per_minute": "it states {:.0f} requests a minute",
    "images_per_minute": "it states {:.0f} images a minute",
    "tokens_per_minute": "it states {:.0f} tokens a minute",
    "found_per_minute": "it lets about {:.0f} requests a minute through",
}
"""What pacing keeps from one run to the next, in words."""


@click.command(epilog="Example: pipeline status jobs/product-shots.yaml")
@click.argument("manifest", required=False, type=click.Path(path_type=Path))
@output_option
@provider_option
@json_option
def status(manifest: Path | None, output: Path | None, provider: str | None, as_json: bool) -> int:
    """Show assets by state, what is missing and why, the last runs and the money."""
    from pipeline.app.looking import status_of
    from pipeline.app.world import World

    found = status_of(manifest, output, World(), provider=provider)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        for line in status_lines(found):
            say(line)
        if found.unknown:
            say(f"next     pipeline reconcile {manifest or 'MANIFEST'}      # says what became of what is unknown")
    return 0


def status_lines(found: "Status") -> "Iterator[str]":
    """A status for people."""
    from pipeline.cli.screen import clean
    from pipeline.domain.money import show

    counts = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    yield f"{found.subject}: {counts or 'nothing yet (pipeline run makes the first pictures)'}"
    yield from (f"  {unknown_line(attempt)}" for attempt in found.unknown)
    yield from _trouble(found)
    money = f"money    this month {show(found.month.spent)} spent, in all {show(found.total.spent)}"
    if found.total.unknown:
        money += f"; {show(found.total.unknown)} unknown, counted until it is reconciled"
    yield money
    for quota in found.quotas:
        yield f"today    {quota.used} of {quota.images_per_day} images at {clean(quota.provider)} (UTC)"
    yield from (f"run      {run_line(run)}" for run in found.runs)
    for learned in found.limits:
        facts = ", ".join(limit_words(learned.limits))
        yield f"learned  {clean(learned.provider)}: {facts} ({learned.at:%Y-%m-%d})"


def _trouble(found: "Status") -> "Iterator[str]":
    """Assets that are not there; an unknown one whose attempt was told is not told again."""
    from pipeline.app.report import why_missing
    from pipeline.cli.screen import clean
    from pipeline.domain.record import State

    told = {asset for attempt in found.unknown for asset in attempt.assets}
    for row in found.trouble:
        if row.state is State.UNKNOWN and row.asset in told:
            continue
        why = clean(why_missing(row), 160)
        yield f"  {row.state.value:<8} {clean(row.asset, 90)}" + (f"  {why}" if why else "")


def limit_words(limits: "Mapping[str, Json]") -> "Iterator[str]":
    """What pacing learned of a provider, for people."""
    for name, words in LEARNED.items():
        value = limits.get(name)
        if isinstance(value, int | float):
            yield words.format(value)


def unknown_line(row: "AttemptRow") -> str:
    """An unknown attempt: what, when, after how long, the request id and who probably cut it."""
    from pipeline.cli.screen import clean
    from pipeline.domain.money import show

    what = f"unknown  {clean(', '.join(row.assets), 90)}  sent {row.started_at:%Y-%m-%d %H:%M:%S} to {row.provider}"
    if row.seconds:
        what += f", cut after {row.seconds:.1f} s"
    what += f", {show(row.usd)} kept aside"
    what += f", request id {clean(row.request_id, 60)}" if row.request_id else ", no request id"
    if row.culprit:
        what += f" ({clean(row.culprit, 80)})"
    return what + (f": {clean(row.message, 120)}" if row.message else "")


def run_line(run: "RunRow") -> str:
    """One run in a line."""
    from pipeline.domain.money import show

    ended = f"exit {run.exit}" if run.exit is not None else "running, or cut off"
    line = f"{run.started_at:%Y-%m-%d %H:%M} {run.manifest}  {ended}  {run.requests} requests, {run.images} images"
    line += f", {show(run.spent)}"
    return line + (f" + {show(run.unknown)} unknown" if run.unknown else "")


@click.command(epilog="Example: pipeline trace output/quickstart/lighthouse/poster/spring.png")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@output_option
@json_option
def trace(file: Path, output: Path | None, as_json: bool) -> int:
    """Show where a file comes from, told by its bytes: it may have been renamed or copied away."""
    from pipeline.app.looking import trace_file
    from pipeline.app.world import World

    origin = trace_file(file, output, World())
    if as_json:
        click.echo(json.dumps(origin.as_json(), ensure_ascii=False))
    else:
        for line in origin_lines(origin):
            say(line)
    return 0


def origin_lines(origin: "Origin", indent: str = "") -> "Iterator[str]":
    """The story of a picture, its parents after it."""
    from pipeline.cli.screen import clean
    from pipeline.domain.money import show

    yield f"{indent}{origin.file}"
    yield f"{indent}  sha256    {origin.digest}"
    for row in origin.assets:
        yield f"{indent}  asset     {clean(row.asset, 120)} of {row.manifest}" + (f", {row.path}" if row.path else "")
    if origin.parts is not None:
        yield f"{indent}  model     {clean(origin.parts.model)} ({origin.parts.protocol})"
        yield f"{indent}  prompt    {clean(origin.parts.prompt, 2000)}"
        params = ", ".join(f"{name} {value}" for name, value in origin.parts.params.items())
        if params:
            yield f"{indent}  params    {clean(params)}"
    for role, digest, source in origin.inputs:
        yield f"{indent}  {role:<9} {source or digest[:16] + '…'}"
    for attempt in origin.attempts:
        request = f", request id {clean(attempt.request_id, 80)}" if attempt.request_id else ""
        estimate = " (estimated)" if attempt.estimated else ""
        yield (
            f"{indent}  bought    {attempt.started_at:%Y-%m-%d %H:%M:%S} from {attempt.provider} in run"
            f" {attempt.run_id}, {show(attempt.usd)}{estimate}{request}"
        )
    for parent in origin.parents:
        yield f"{indent}  made from"
        yield from origin_lines(parent, indent + "    ")


@click.command(epilog="Example: pipeline recall photos/10377_b.jpg")
@click.argument("photo", type=click.Path(path_type=Path, dir_okay=False))
@output_option
@json_option
def recall(photo: Path, output: Path | None, as_json: bool) -> int:
    """List everything that was made from a photo, directly or through edits."""
    from pipeline.app.recalling import recall_photo
    from pipeline.app.world import World

    rows = recall_photo(photo, output, World())
    if as_json:
        found = [
            {"manifest": row.manifest, "asset": row.asset, "state": row.state.value, "path": row.path} for row in rows
        ]
        click.echo(json.dumps(found, ensure_ascii=False))
        return 0
    for row in rows:
        click.echo(f"{row.manifest}  {row.asset}  {row.state.value}" + (f"  {row.path}" if row.path else ""))
    if not rows:
        click.echo(f"{photo}: nothing in this ledger was made from it", err=True)
    return 0


@click.command(epilog="Example: pipeline sheet jobs/quickstart.yaml")
@manifest_argument
@output_option
@provider_option
@click.option("--single-file", is_flag=True, help="Inline the thumbnails, so that the page can be mailed.")
def sheet(manifest: Path, output: Path | None, provider: str | None, single_file: bool) -> int:
    """Write the contact sheet anew from the ledger; nothing is asked."""
    from pipeline.app.showing import show_again
    from pipeline.app.world import World

    click.echo(str(show_again(manifest, output, World(), single_file=single_file, provider=provider)))
    return 0
