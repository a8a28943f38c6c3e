"""Shell completion: the script for a shell, and the names of a manifest's assets while somebody types."""

from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from pipeline.domain.errors import PipelineError

VARIABLE = "_PIPELINE_COMPLETE"
"""How click is told by its own script that it is to complete."""

MOST = 300
"""Names a shell is offered; who wants more types another letter."""


@click.command(epilog='Example: eval "$(pipeline completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell; commands, options, files and asset names complete."""
    from pipeline.cli.root import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "pipeline", VARIABLE).source())


def complete_asset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of assets of the manifest that was typed before; none while there is no manifest that can be read."""
    from pipeline.app.naming import asset_names
    from pipeline.app.world import World

    typed = ctx.params.get("manifest") or ctx.params.get("manifests") or ()
    # While the value of an option is typed, click leaves what came before it unread.
    manifests = (*(typed if isinstance(typed, tuple) else (typed,)), *ctx.args)
    found: list[CompletionItem] = []
    for manifest in manifests:
        try:
            found += [CompletionItem(name) for name in islice(asset_names(Path(manifest), incomplete, World()), MOST)]
        except PipelineError:
            continue  # a shell is no place for messages
    return found[:MOST]


def complete_manifest(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders, by the shell itself."""
    return [CompletionItem(incomplete, type="file")]
