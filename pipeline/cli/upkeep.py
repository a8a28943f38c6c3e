"""`pipeline verify`, `gc` and `prune`: nothing is deleted without --delete."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import json_option, manifest_argument, output_option, wait_option

if TYPE_CHECKING:
    from pipeline.app.keeping import Keeping


class Days(click.ParamType[float]):
    """An age: ``30d``, ``12h``, ``0``."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The age in days."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(d|h|m)?", str(value).strip())
        if match is None:
            self.fail(f"'{value}' is not an age (write 30d or 12h)", param, ctx)
        return float(match[1]) / {"d": 1, "h": 24, "m": 1440, None: 1}[match[2]]


def _keeping(output: Path | None, *, wait: bool = False) -> "Keeping":
    from pipeline.app.keeping import Keeping
    from pipeline.app.world import World, output_around
    from pipeline.cli.screen import tell_note
    from pipeline.store import Places

    return Keeping(
        places=Places(output=output_around(Path.cwd(), output)), world=World(), recorder=tell_note, wait=wait
    )


@click.command(epilog="Example: pipeline verify --repair")
@output_option
@click.option(
    "--repair", is_flag=True, help="Put back from free sources, adopt what matches, ask again for what is lost."
)
@click.option("--rebuild", is_flag=True, help="Make a lost ledger anew from receipts and images; buys nothing.")
@wait_option
@json_option
def verify(output: Path | None, repair: bool, rebuild: bool, wait: bool, as_json: bool) -> int:
    """Re-hash every image and compare files, ledger, receipts and output tree. Deletes nothing."""
    keeping = _keeping(output, wait=wait)
    if rebuild:
        return _rebuild(keeping, as_json=as_json)
    if repair:
        return _repair(keeping, as_json=as_json)
    from pipeline.app.keeping import serious

    faults = keeping.verify()
    if as_json:
        click.echo(json.dumps([fault.as_json() for fault in faults], ensure_ascii=False))
    else:
        for fault in faults:
            click.echo(f"{fault.kind.value:<12} {fault.text}")
        click.echo(_verdict(serious(faults), len(faults)), err=True)
    return 1 if serious(faults) else 0


def _verdict(bad: bool, count: int) -> str:
    if bad:
        return "something is wrong (pipeline verify --repair mends what can be mended)"
    return f"all is well; {count} things of yours are left as they are" if count else "all is well"


def _repair(keeping: "Keeping", *, as_json: bool) -> int:
    from pipeline.app.keeping import serious

    mended = keeping.repair()
    if as_json:
        click.echo(json.dumps([{**done.fault.as_json(), "done": done.done, "text": done.text} for done in mended]))
    else:
        for done in mended:
            click.echo(f"{'mended' if done.done else 'left':<7} {done.fault.kind.value:<12} {done.text}")
        click.echo(f"{sum(done.done for done in mended)} mended", err=True)
    return 1 if serious([done.fault for done in mended if not done.done]) else 0


def _rebuild(keeping: "Keeping", *, as_json: bool) -> int:
    from dataclasses import asdict

    rebuilt = keeping.rebuild()
    if as_json:
        click.echo(json.dumps(asdict(rebuilt)))
    else:
        click.echo(
            f"the ledger was made anew: {rebuilt.attempts} purchases, {rebuilt.images} images,"
            f" {rebuilt.placements} files in the output tree; {rebuilt.orphans} images without a receipt,"
            f" {rebuilt.lost} lost, {rebuilt.decisions} decisions of yours, {rebuilt.unknown} requests that were on"
            f" their way and are held as unknown, {rebuilt.broken} receipts that cannot be read"
        )
    return 1 if rebuilt.broken else 0


@click.command(epilog="Example: pipeline gc --keep 30d --delete")
@output_option
@click.option("--keep", type=Days(), default="30d", show_default=True, metavar="AGE", help="Keep what is younger.")
@click.option("--paid", is_flag=True, help="Also images that were paid for.")
@click.option("--delete", is_flag=True, help="Remove what is shown.")
@wait_option
@json_option
def gc(output: Path | None, keep: float, paid: bool, delete: bool, wait: bool, as_json: bool) -> int:
    """Show images that no asset refers to, and with --delete remove them; receipts are kept for ever."""
    from pipeline.domain.money import show, to_usd

    keeping = _keeping(output, wait=wait)
    found = keeping.garbage(keep, paid=paid)
    removed = keeping.collect(keep, paid=paid) if delete else 0
    if as_json:
        images = [{"sha256": item.image.digest, "bytes": item.image.size, "usd": to_usd(item.usd)} for item in found]
        click.echo(json.dumps({"images": images, "removed": removed}))
        return 0
    for item in found:
        click.echo(
            f"{item.image.digest[:16]}…  {item.image.size:>10} bytes  {item.created_at:%Y-%m-%d}  {show(item.usd)}"
        )
    size = sum(item.image.size for item in found) / 1_000_000
    click.echo(
        f"{len(found)} images, {size:.1f} MB; {removed} removed" + ("" if delete else " (--delete removes them)")
    )
    return 0


@click.command(epilog="Example: pipeline prune jobs/product-shots.yaml --delete")
@manifest_argument
@output_option
@click.option("--delete", is_flag=True, help="Remove what is shown.")
@wait_option
@json_option
def prune(manifest: Path, output: Path | None, delete: bool, wait: bool, as_json: bool) -> int:
    """Show output files of ours that no asset claims any more, and with --delete remove them (never an edited one)."""
    from pipeline.app.keeping import Keeping, wanted_assets
    from pipeline.app.world import World
    from pipeline.cli.screen import tell_note

    name, wanted, places = wanted_assets(manifest, output, World())
    keeping = Keeping(places=places, world=World(), recorder=tell_note, wait=wait)
    found = keeping.unclaimed(name, wanted)
    removed, kept = keeping.prune(name, wanted) if delete else ([], [])
    if as_json:
        answer = {"files": [item.path for item in found], "removed": [item.path for item in removed]}
        click.echo(json.dumps({**answer, "kept": [item.path for item in kept]}, ensure_ascii=False))
        return 0
    for item in found:
        click.echo(item.path)
    for item in kept:
        click.echo(f"{item.path}: edited by a person, left as it is", err=True)
    click.echo(f"{len(found)} files; {len(removed)} removed" + ("" if delete else " (--delete removes them)"))
    return 0
