"""`pipeline plan`: reads like a bill before anything is bought."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import choice_of, choice_options, json_option, manifest_argument, output_option

if TYPE_CHECKING:
    from pipeline.app.planning import PlanReport, Sums
    from pipeline.plan import Resolved

MARKS = {"new": "+", "stale": "~", "again": "+", "cached": " ", "held": "!", "failed": "!", "skipped": "!", "left": "."}
"""What stands before an asset: ``+`` is bought, ``~`` is bought because something changed, ``!`` will not be there."""

LISTED = 40
"""Assets that are listed one by one without ``--all``."""


@click.command(epilog="Example: pipeline plan jobs/product-shots.yaml --only 'hero/*'")
@manifest_argument
@output_option
@choice_options
@click.option("--all", "everything", is_flag=True, help="List every asset, also those that are already there.")
@json_option
def plan(manifest: Path, output: Path | None, as_json: bool, everything: bool, **given: Any) -> int:
    """Show what would be asked, what is there already, why, and what it costs. Buys nothing."""
    from pipeline.app.planning import Planning, asset_json
    from pipeline.app.world import World

    with Planning(choice_of(manifest, output, given), World()) as planning:
        for warning in planning.report.warnings:
            click.echo(f"{warning} [warning]", err=True)
        if as_json:
            # Written piece by piece: a million assets are never a list.
            _write_json(planning.report, (asset_json(step) for step in planning.steps()))
        else:
            _print_assets(planning.steps(), everything=everything)
            for line in bill(planning.report):
                click.echo(line)
    return 0


def _write_json(report: "PlanReport", assets: Any) -> None:
    out = sys.stdout
    out.write(f'{{"manifest": {json.dumps(report.manifest)}, "assets": [')
    for number, asset in enumerate(assets):
        out.write((", " if number else "") + json.dumps(asset, ensure_ascii=False))
    rest = report.as_json([])
    tail = {name: rest[name] for name in ("requests", "usd", "seconds")}
    out.write("], " + json.dumps(tail)[1:] + "\n")


def _print_assets(steps: Any, *, everything: bool) -> None:
    shown = hidden = 0
    for step in steps:
        line = _line(step, everything=everything)
        if line is None:
            continue
        if shown < LISTED or everything:
            click.echo(line)
            shown += 1
        else:
            hidden += 1
    if hidden:
        click.echo(f"    … and {hidden} more (--all lists them)")
    if shown:
        click.echo()


def _line(step: "Resolved", *, everything: bool) -> str | None:
    from pipeline.app.planning import kind_of
    from pipeline.cli.screen import clean
    from pipeline.domain.money import show

    kind = kind_of(step)
    if kind == "cached" and not everything:
        return None
    price = show(step.quote.expected) if step.asks and step.quote else ""
    return f"  {MARKS[kind]} {clean(step.asset, 90):<50} {clean(step.why, 90)}" + (f"  {price}" if price else "")


def bill(report: "PlanReport") -> list[str]:
    """Per shot and in total: what is new, stale, cached and held, expected and worst cost, time."""
    from pipeline.cli.screen import clock
    from pipeline.domain.money import show

    width = max((len(name) for name in report.shots), default=4)
    lines = [f"{name:<{width}}  {_counts(sums)}" for name, sums in report.shots.items()]
    total = report.total
    lines.append(f"{'in all':<{width}}  {_counts(total)}")
    lines.append("")
    lines.append(f"requests  {total.requests}")
    cost = f"cost      expected {show(total.expected)}, at worst {show(total.worst)}"
    if total.unpriced:
        cost += f"; {total.unpriced} requests have no known price"
    lines.append(cost)
    if report.budget is not None:
        lines.append(f"budget    {show(report.budget)} a run" + _over(report))
    lines.append(f"time      about {clock(report.seconds)} at the limits and latencies known")
    if not total.requests:
        lines.append("nothing to ask: everything that can be there is there")
    return lines


def _over(report: "PlanReport") -> str:
    assert report.budget is not None
    if report.total.expected > report.budget:
        return "; the expected cost is above it: the run would stop there with exit 12"
    if report.total.worst > report.budget:
        return "; the worst case is above it, the expected cost is not"
    return ""


def _counts(sums: "Sums") -> str:
    from pipeline.domain.money import show

    words = {
        "new": "new",
        "stale": "changed",
        "again": "again",
        "cached": "there already",
        "held": "held",
        "failed": "cannot be asked",
        "skipped": "without a parent",
        "left": "left",
    }
    counts = ", ".join(f"{sums.states[kind]} {word}" for kind, word in words.items() if sums.states[kind])
    price = f"  {show(sums.expected)} expected, {show(sums.worst)} at worst" if sums.requests else ""
    return f"{sums.assets} assets: {counts or 'none'}{price}"
