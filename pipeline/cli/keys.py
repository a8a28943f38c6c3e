"""`pipeline why` and `pipeline bless`: which part of a key changed, and keeping the picture all the same."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.completion import complete_asset
from pipeline.cli.options import json_option, manifest_argument, output_option, say, wait_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.app.deciding import Why

SETS = click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Override any value of the manifest.")
PROVIDER = click.option("--provider", metavar="NAME", help="Override every model's provider.")


@click.command(epilog="Example: pipeline why jobs/product-shots.yaml hero/CUP-01/studio")
@manifest_argument
@click.argument("asset", shell_complete=complete_asset)
@output_option
@SETS
@PROVIDER
@json_option
def why(
    manifest: Path, asset: str, output: Path | None, sets: tuple[str, ...], provider: str | None, as_json: bool
) -> int:
    """Show why an asset would be asked again: which part of its key changed, from, to, and the price of following."""
    from pipeline.app.deciding import why_of
    from pipeline.app.options import Choice
    from pipeline.app.world import World

    choice = Choice(manifest=manifest, output=output, sets=sets, provider=provider)
    found = why_of(choice, asset, World())
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        for line in why_lines(found, choice.seen):
            say(line)
    return 0


def why_lines(found: "Why", place: str) -> "Iterator[str]":
    """The reason for people. place: the manifest and its output, as they are typed."""
    from pipeline.cli.screen import clean
    from pipeline.domain.money import show
    from pipeline.domain.record import State

    why = "its picture is of what the manifest says now" if found.why == "cached" else found.why
    word = "asked" if found.asks else "kept" if found.state is State.DONE else found.state.value
    yield f"{word:<8} {clean(found.asset)}: {clean(why)}"
    for change in found.differences:
        yield f"  {change.part:<10} {_shown(change.old)}  ->  {_shown(change.new)}"
    if not found.asks:
        return
    cost = f"cost     {show(found.own)}"
    if found.followers:
        follow = "1 that follows" if found.followers == 1 else f"{found.followers} that follow"
        cost += f", then {follow} it: {show(found.behind)}"
    yield cost
    if found.differences:
        yield f"or keep  pipeline bless {place} '{found.asset}'"


def _shown(value: object) -> str:
    from pipeline.cli.screen import clean

    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean(text if len(text) != 64 else f"{text[:12]}…", 200)


@click.command(epilog="Example: pipeline bless jobs/product-shots.yaml hero/CUP-01/studio")
@manifest_argument
@click.argument("assets", nargs=-1, required=True, metavar="ASSET…", shell_complete=complete_asset)
@output_option
@SETS
@PROVIDER
@wait_option
@json_option
def bless(
    manifest: Path,
    assets: tuple[str, ...],
    output: Path | None,
    sets: tuple[str, ...],
    provider: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Keep the present picture for the changed key: nothing is asked, and what follows it stays."""
    from pipeline.app.deciding import bless_assets
    from pipeline.app.options import Choice
    from pipeline.app.world import World
    from pipeline.cli.screen import tell_note

    choice = Choice(manifest=manifest, output=output, sets=sets, provider=provider)
    blessed = bless_assets(choice, assets, World(), wait=wait, recorder=tell_note)
    if as_json:
        click.echo(json.dumps([{"asset": done.asset, "blessed": not done.note, "note": done.note} for done in blessed]))
    else:
        for done in blessed:
            click.echo(
                f"{'kept' if done.note else 'blessed':<8} {done.asset}" + (f"  {done.note}" if done.note else "")
            )
    return 0
