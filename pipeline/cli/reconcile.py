"""`pipeline reconcile`: a person says what became of attempts nobody knows. Sends nothing."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.completion import complete_asset
from pipeline.cli.options import json_option, manifest_argument, output_option, say, wait_option

if TYPE_CHECKING:
    from pipeline.domain.record import AttemptRow
    from pipeline.ledger import Decision

ANSWERS = {"b": "billed", "n": "not_billed", "r": "rebuy"}


@click.command(epilog="Example: pipeline reconcile jobs/product-shots.yaml --rebuy")
@manifest_argument
@click.argument("assets", nargs=-1, metavar="[ASSET…]", shell_complete=complete_asset)
@output_option
@click.option("--billed", is_flag=True, help="They were billed: the money is spent, the assets are failed (lost).")
@click.option("--not-billed", is_flag=True, help="They were not billed: the next run asks again.")
@click.option("--rebuy", is_flag=True, help="Ask again in the next run; counted as billed unless --not-billed is said.")
@wait_option
@json_option
def reconcile(
    manifest: Path,
    assets: tuple[str, ...],
    output: Path | None,
    billed: bool,
    not_billed: bool,
    rebuy: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Settle attempts whose outcome is unknown: all of a manifest or of some assets; asks when nothing is said."""
    from pipeline.app.deciding import settle_unknown, unknown_of
    from pipeline.app.world import World
    from pipeline.cli.look import unknown_line
    from pipeline.cli.screen import tell_note

    decision = decision_of(billed=billed, not_billed=not_billed, rebuy=rebuy)
    rows = unknown_of(manifest, output, assets, World())
    if decision is None and rows and not sys.stdin.isatty():
        for row in rows:
            click.echo(unknown_line(row), err=True)
        raise click.UsageError("say --billed, --not-billed or --rebuy (or run it in a terminal to be asked)")
    decisions = [(row, decision) for row in rows] if decision else _ask(rows)
    settled = settle_unknown(manifest, output, decisions, World(), wait=wait, recorder=tell_note) if decisions else 0
    if as_json:
        answer = {"settled": settled, "left": len(rows) - settled, "decision": decision}
        click.echo(json.dumps(answer))
    else:
        click.echo(_told(rows, settled, decision, manifest))
    return 0


def decision_of(*, billed: bool, not_billed: bool, rebuy: bool) -> "Decision | None":
    """What the options say of every attempt; None: nothing, so a person is asked. Raises UsageError."""
    if billed and not_billed:
        raise click.UsageError("--billed and --not-billed exclude each other")
    if rebuy:
        return "not_billed" if not_billed else "rebuy"
    if billed or not_billed:
        return "billed" if billed else "not_billed"
    return None


def _ask(rows: "tuple[AttemptRow, ...]") -> "list[tuple[AttemptRow, Decision]]":
    from pipeline.cli.look import unknown_line

    decided: list[tuple[AttemptRow, Decision]] = []
    for row in rows:
        say(unknown_line(row))
        answer = click.prompt("(b)illed  (n)ot billed  (r)ebuy  (u)ndecided", default="u", show_default=False)
        match ANSWERS.get(answer.strip().lower()[:1]):
            case "billed":
                decided.append((row, "billed"))
            case "not_billed":
                decided.append((row, "not_billed"))
            case "rebuy":
                decided.append((row, "rebuy"))
            case _:
                pass
    return decided


def _told(rows: "tuple[AttemptRow, ...]", settled: int, decision: "Decision | None", manifest: Path) -> str:
    if not rows:
        return f"{manifest}: no unknown outcomes"
    left = len(rows) - settled
    line = f"{settled} settled" + (f", {left} left" if left else "")
    if decision in {"rebuy", "not_billed"}:
        line += f": the next run asks for them again (pipeline run {manifest})"
    if decision == "billed":
        line += ": counted as spent, the assets are failed (lost) and are not asked again"
    return line
