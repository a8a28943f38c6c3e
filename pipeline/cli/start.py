"""`pipeline init` and `pipeline schema`: the first minute with the tool."""

import json
from pathlib import Path

import click

from pipeline.domain.errors import MachineError

MANIFEST = """\
# yaml-language-server: $schema=manifest.schema.json
#
# Runs as it is, on the embedded gateway, without a key and without cost:
#
#   pipeline run {name}.yaml
#
# `pipeline schema --write` puts the schema that editors check and complete this file with beside it.
#
# To buy real pictures, take the comments off `providers:` and `models:`, put the key into the environment,
# and look at `pipeline plan {name}.yaml` first.
version: 1
name: {name}

# providers:
#   openai:
#     preset: openai                  # openai | clauddy | dieyuyun | openrouter | newapi | sketch
#     api_key: env:OPENAI_API_KEY     # never the key itself
# models:
#   main: {{provider: openai, model: gpt-image-2, params: {{quality: high}}}}
# budget: {{per_run: 5 USD}}

defaults:
  params: {{size: 1024x1024, quality: low}}

shots:
  postcard:
    matrix:
      place: [harbour, mountain lake]
      season: [spring, winter]
    prompt: A travel poster of a {{{{ place }}}} in {{{{ season }}}}, flat colours, no text.
    chain:
      - {{id: night, prompt: The same scene at night. Keep everything else identical.}}
"""

MAKEFILE = """\
# `make art` makes what is missing; `make plan` shows what that would ask and cost.
.PHONY: art plan

art: ; pipeline run {name}.yaml
plan: ; pipeline plan {name}.yaml
"""

IGNORED = "/output/\n"


@click.command(epilog="Example: pipeline init shop && pipeline run shop/shop.yaml")
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
def init(folder: Path) -> None:
    """Write a small manifest, a Makefile and a .gitignore that run as they are; nothing is overwritten."""
    name = _slug(folder.absolute().name)
    files = {
        f"{name}.yaml": MANIFEST.format(name=name),
        "Makefile": MAKEFILE.format(name=name),
        ".gitignore": IGNORED,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            click.echo(_write(folder / file, text), err=True)
    except OSError as error:
        raise MachineError(f"{folder}: cannot be written: {error.strerror} (choose another folder)") from error
    click.echo(f"pipeline run {folder / f'{name}.yaml'}")


def _write(path: Path, text: str) -> str:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"kept     {path} (it was there)"
    return f"written  {path}"


def _slug(name: str) -> str:
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
    return slug or "art"


@click.command(epilog="Example: pipeline schema > manifest.schema.json")
@click.option(
    "--write",
    is_flag=False,
    flag_value=".",
    type=click.Path(path_type=Path),
    metavar="[DIR]",
    help="Write manifest.schema.json into DIR (default: here) or beside a manifest, whose first line finds it there.",
)
def schema(write: Path | None) -> None:
    """Print the JSON Schema of the manifest, for editors."""
    from pipeline.manifest import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if write is None:
        click.echo(text)
        return
    path = (write.parent if write.is_file() else write) / "manifest.schema.json"
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written: {error.strerror} (choose another folder)") from error
    click.echo(f"written  {path}", err=True)
