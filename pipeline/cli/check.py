"""`pipeline validate` and `pipeline doctor`: what can be known before a cent is spent."""

import json
from pathlib import Path

import click

from pipeline.cli.options import json_option, manifest_argument, manifests_argument, output_option


@click.command(epilog="Example: pipeline validate jobs/*.yaml")
@manifests_argument
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Override any value of the manifest.")
@click.option("--provider", metavar="NAME", help="Override every model's provider.")
@click.option("--strict", is_flag=True, help="A broken row of a feed is fatal.")
@json_option
def validate(
    manifests: tuple[Path, ...], sets: tuple[str, ...], provider: str | None, strict: bool, as_json: bool
) -> int:
    """Check manifests: every problem at once, nothing fetched, nothing sent. Exit 0 or 2."""
    from pipeline.app.checking import validate_manifests
    from pipeline.app.world import World

    results = validate_manifests(manifests, World(), sets=sets, provider=provider, strict=strict)
    if as_json:
        click.echo(json.dumps([result.as_json() for result in results], ensure_ascii=False))
    else:
        for result in results:
            for problem in result.problems:
                click.echo(str(problem), err=True)
            for warning in result.warnings:
                click.echo(f"{warning} [warning]", err=True)
            if not result.problems:
                click.echo(f"{result.file}: fine")
    return 2 if any(result.problems for result in results) else 0


@click.command(epilog="Example: pipeline doctor jobs/product-shots.yaml")
@manifest_argument
@output_option
@json_option
def doctor(manifest: Path, output: Path | None, as_json: bool) -> int:
    """Pre-flight without spending: keys, hosts, disk, clock, limits, prices, retiring models, unknowns, feed."""
    from pipeline.app.doctoring import examine
    from pipeline.app.world import World

    findings = examine(manifest, output, World())
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:<5} {finding.subject:<12} {finding.text}")
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0
