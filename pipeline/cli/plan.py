"""`pipeline plan`: reads like a bill before anything is bought."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.options import Choice
from pipeline.cli.options import choice_of, choice_options, json_option, manifest_argument, output_option, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.app.planning import Planning, PlanReport, Sums
    from pipeline.domain.digest import Json
    from pipeline.plan import Difference, Resolved

MARKS = {
    "new": ("+", "green", "asked for the first time"),
    "stale": ("~", "yellow", "asked again, because what it is made of changed"),
    "again": ("+", "green", "asked again"),
    "moved": (">", "cyan", "there already under another name, costs nothing"),
    "cached": (" ", None, "there already, costs nothing"),
    "held": ("!", "red", "not asked: held until somebody decides"),
    "failed": ("!", "red", "cannot be asked"),
    "skipped": ("!", "red", "waits for a picture that is not there"),
    "left": (".", None, "left out by --limit"),
}
"""What stands before an asset, its colour, and what that means."""

ONE_LINE = 56
"""Letters of a change, from and to, that fit beside one another."""

CHANGES = 3
"""Changed parts that are shown under an asset."""

PAGE = 2000
"""Lines that are printed together with --all."""

REASONS = 6
"""Reasons that are counted in the bill."""

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
    from pipeline.app.planning import Planning, asset_text
    from pipeline.app.world import World

    choice = choice_of(manifest, output, given)
    with Planning(choice, World()) as planning:
        for warning in planning.report.warnings:
            click.echo(f"{warning} [warning]", err=True)
        if as_json:
            # Written piece by piece: a million assets are never a list.
            _write_json(planning.report, map(asset_text, planning.steps()))
        else:
            _print_assets(planning, everything=everything)
            _say(bill(planning.report, choice))
    return 0


def _write_json(report: "PlanReport", assets: "Iterable[str]") -> None:
    out = sys.stdout
    out.write(f'{{"manifest": {json.dumps(report.manifest)}, "assets": [')
    comma = ""
    for asset in assets:
        out.write(comma + asset)
        comma = ", "
    out.write("], " + json.dumps(report.sums_json())[1:] + "\n")


def _print_assets(planning: "Planning", *, everything: bool) -> None:
    """The assets by shot, first what the signs mean; fills the report on the way."""
    shown = hidden = 0
    shot = ""
    legend: set[str] = set()
    lines: list[str] = []
    told: set[tuple[str, ...]] = set()
    for step in planning.steps():
        kind = _kind(planning, step)
        if kind == "cached" and not everything:
            continue
        if shown >= LISTED and not everything:
            hidden += 1
            continue
        if step.cell.shot != shot:
            shot = step.cell.shot
            told.clear()
            lines += ["", f"  {shot}"]
        lines += _lines(planning, step, kind, told)
        legend.add(kind)
        shown += 1
        if everything and len(lines) > PAGE:
            # A million assets are never held: with --all the meaning of the signs comes at the end.
            _say(lines)
            lines = []
    meanings = {(mark, words) for kind, (mark, _, words) in MARKS.items() if kind in legend}
    means = [f"  {mark} {words}" for mark, words in sorted(meanings)]
    _say([*lines, "", *means] if everything else ([*means, *lines] if shown else []))
    if hidden:
        click.echo(f"    … and {hidden} more (--all lists them)")
    if shown:
        click.echo()


def _kind(planning: "Planning", step: "Resolved") -> str:
    return "moved" if step.kind == "cached" and planning.earlier_name(step) else step.kind


def _say(lines: "Sequence[str]") -> None:
    for line in lines:
        say(line)


def _lines(planning: "Planning", step: "Resolved", kind: str, told: set[tuple[str, ...]]) -> list[str]:
    """An asset, why, its price; under a changed one what changed, from and to, unless *told* has just that."""
    from pipeline.cli.screen import clean, has_colors
    from pipeline.domain.money import show

    price = show(step.quote.expected) if step.asks and step.quote and not step.twin else ""
    mark, colour, _ = MARKS[kind]
    shown = click.style(mark, fg=colour) if has_colors(sys.stdout) else mark
    why = f"there already as {planning.earlier_name(step)}" if kind == "moved" else step.why
    changed = changed_lines(planning.changes(step)) if kind == "stale" else []
    if changed and tuple(changed) in told:
        why, changed = f"{why} as above", []
    told.add(tuple(changed))
    line = f"    {shown} {clean(step.asset, 90):<44} {clean(why, 120)}"
    return [line + (f"  {price}" if price else ""), *(f"        {text}" for text in changed)]


def changed_lines(changes: "Sequence[Difference]") -> list[str]:
    """``quality  "low" -> "high"``, or for long texts the part that differs, with a little around it, on two lines."""
    lines = []
    # That the picture before it is asked again is told on that picture's own line.
    changes = [change for change in changes if not str(change.new).startswith("plan:")]
    for change in changes[:CHANGES]:
        before, after = excerpt(_text(change.old), _text(change.new))
        part = change.part.removeprefix("params.")
        if len(before) + len(after) > ONE_LINE:
            lines += [part, f"  - {before}", f"  + {after}"]
        elif part.startswith("image") or part in {"mask", "parent"}:
            lines.append(f"{part}  {before} -> {after}")
        else:
            lines.append(f"{part}  {_quoted(before, change.old)} -> {_quoted(after, change.new)}")
    if len(changes) > CHANGES:
        lines.append(f"and {len(changes) - CHANGES} more (pipeline why)")
    return lines


def _quoted(shown: str, value: "Json") -> str:
    return f'"{shown}"' if isinstance(value, str) else shown


def _text(value: "Json") -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        is_digest = len(value) == 64 and all(letter in "0123456789abcdef" for letter in value)
        return f"{value[:12]}…" if is_digest else value
    return json.dumps(value, ensure_ascii=False)


def _common(first: str, second: str) -> int:
    """Letters two texts begin with alike."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def excerpt(old: str, new: str, around: int = 24) -> tuple[str, str]:
    """The two texts from a little before their first difference to a little after their last."""
    from pipeline.cli.screen import clean

    same = _common(old, new)
    behind = min(_common(old[::-1], new[::-1]), min(len(old), len(new)) - same)
    start, cut = max(0, same - around), max(0, behind - around)

    def part(text: str) -> str:
        shown = text[start : len(text) - cut]
        return ("…" if start else "") + clean(shown, 160) + ("…" if cut or len(shown) > 160 else "")

    return part(old), part(new)


def bill(report: "PlanReport", choice: Choice) -> list[str]:
    """Per shot and in total: what is new, stale, cached and held, expected and worst cost, time, what to type next."""
    from pipeline.domain.money import show

    width = max(len(name) for name in (*report.shots, "in all"))
    lines = [f"{name:<{width}}  {_counts(sums)}" for name, sums in report.shots.items() if sums.assets]
    total = report.total
    lines.append(f"{'in all':<{width}}  {_counts(total)}")
    lines.append("")
    lines += _reasons(report)
    lines.append(f"requests  {total.requests}")
    cost = f"cost      expected {show(total.expected)}, at worst {show(total.worst)}"
    if total.unpriced:
        cost += f"; {total.unpriced} requests have no known price"
    lines.append(cost)
    lines += _bounds(report)
    lines += _gone(report, choice)
    lines += _held(report, choice)
    lines.append("")
    again = "".join(f" --again {shlex.quote(pattern)}" for pattern in choice.again)
    if total.requests:
        lines.append(f"nothing was bought; to buy it: pipeline run {choice.typed}{again}")
    elif total.assets == total.states["cached"]:
        lines.append("nothing to ask: everything that is wanted is there")
    else:
        lines.append("nothing to ask, although not everything is there")
    return lines


def _reasons(report: "PlanReport") -> list[str]:
    """How often each reason is why something is asked again: the list above may be cut."""
    from pipeline.cli.screen import clean

    reasons = report.total.reasons.most_common()
    if not reasons:
        return []
    told = ", ".join(f"{count} {clean(why, 80)}" for why, count in reasons[:REASONS])
    more = f", and {len(reasons) - REASONS} other reasons" if len(reasons) > REASONS else ""
    return [f"why       {told}{more}"]


def _bounds(report: "PlanReport") -> list[str]:
    """What a run would stop at: budgets, the day's quota, the feed's guard, the deadline."""
    from pipeline.cli.screen import clock
    from pipeline.domain.money import show

    lines = []
    if report.budget is not None:
        lines.append(f"budget    {show(report.budget)} a run" + _over(report))
    if report.month is not None and report.bound is not None:
        over = report.month + report.total.expected > report.bound
        more = "; with this plan it is crossed: the run would stop there with exit 12" if over else ""
        lines.append(f"month     {show(report.month)} of {show(report.bound)} used{more}")
    lines += [
        f"today     {quota.used} of {quota.images_per_day} images at {quota.provider} (UTC)" for quota in report.quotas
    ]
    time = f"time      about {clock(report.seconds)} at the limits and latencies known"
    if report.left is not None and report.seconds > report.left:
        time += f"; the deadline is in {clock(report.left)}: the run would stop there with exit 13"
    lines.append(time)
    lines += [
        f"feed      {fault}: the run would stop with exit 5 (if it is meant: --accept feed)" for fault in report.feeds
    ]
    return lines


def _gone(report: "PlanReport", choice: Choice) -> list[str]:
    """Assets of earlier runs that have left the manifest."""
    from pipeline.cli.screen import clean

    if not report.gone:
        return []
    lines = ["", "  - no longer in the manifest; what was bought is kept"]
    lines += [f"    - {clean(name, 90)}" for name in report.gone[:LISTED]]
    if len(report.gone) > LISTED:
        lines.append(f"    … and {len(report.gone) - LISTED} more")
    return [*lines, f"    their files stay until you say so: pipeline prune {choice.place}"]


def _held(report: "PlanReport", choice: Choice) -> list[str]:
    """What waits for a person's word, and how it is said."""
    from pipeline.domain.record import State

    held = report.total.held
    lines = []
    if held[State.UNKNOWN]:
        lines.append(f"unknown   {held[State.UNKNOWN]} are held: pipeline reconcile {choice.place}")
    if held[State.REFUSED]:
        again = f"pipeline run {replace(choice, retry_refused=True).typed}"
        lines.append(f"refused   {held[State.REFUSED]} are held: change their prompt, or {again}")
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
