"""The command group: names and one-line help of every command, whose module is loaded when it runs.

Nothing heavy is imported here, so that `pipeline --help` answers in a tenth of a second.
"""

import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

from pipeline.domain.errors import FeedGuardError, Interrupted, KeyRefused, LedgerBusy, PipelineError, UserError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("pipeline.cli.start", "write a small manifest, a Makefile and a .gitignore that run as they are"),
    "validate": ("pipeline.cli.check", "check manifests: every problem at once, nothing sent"),
    "plan": ("pipeline.cli.plan", "what would be asked, what the ledger already has, why, and what it costs"),
    "run": ("pipeline.cli.run", "make what is wanted: resumes, never buys what the ledger has"),
    "status": ("pipeline.cli.look", "assets by state, last runs, money"),
    "why": ("pipeline.cli.keys", "why an asset would be asked again, and what that costs"),
    "bless": ("pipeline.cli.keys", "keep the present picture for the changed key"),
    "reconcile": ("pipeline.cli.reconcile", "settle attempts whose outcome is unknown (sends nothing)"),
    "trace": ("pipeline.cli.look", "where a file comes from: manifest, prompt, parents, request id, price"),
    "recall": ("pipeline.cli.look", "everything that was made from a photo"),
    "verify": ("pipeline.cli.upkeep", "re-hash every image, compare files, ledger and output tree"),
    "gc": ("pipeline.cli.upkeep", "show, and with --delete remove, images that no asset refers to"),
    "prune": ("pipeline.cli.upkeep", "show, and with --delete remove, output files that no asset claims"),
    "doctor": ("pipeline.cli.check", "pre-flight without spending: keys, hosts, disk, limits, retiring models"),
    "sheet": ("pipeline.cli.look", "write the contact sheet"),
    "gateway": ("pipeline.cli.gateway", "serve our OpenAI-compatible gateway on loopback"),
    "completion": ("pipeline.cli.completion", "print the completion script for bash, zsh or fish"),
    "schema": ("pipeline.cli.start", "print the JSON Schema of the manifest, for editors"),
}

DEBUG = "PIPELINE_DEBUG"


class Commands(click.Group):
    """A group that knows its commands by name and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None lets click say what was meant."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with a suggestion for a mistyped name."""
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else " (see `pipeline --help`)"
            raise click.UsageError(f"no command '{name}'{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command, told from the table so that no module is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: pipeline run jobs/quickstart.yaml",
)
@click.version_option(package_name="pipeline", message="%(prog)s %(version)s")
def cli() -> None:
    """Turns YAML manifests into image assets: every picture paid for once, nothing paid for lost."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command line and gives back its exit status; every known error is one line on standard error."""
    # Next to nothing here is a cycle: looking for them less often saves a tenth of a start and a twentieth of a run.
    gc.set_threshold(50_000, 20, 100)
    try:
        status = cli.main(args=list(arguments), prog_name="pipeline", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        click.echo(usage(error), err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone; what was to be done has been done or is in the ledger.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:  # noqa: BLE001, ASYNC103 -- the last frame: a traceback never reaches a person
        return tell(error)  # noqa: ASYNC104
    return status if isinstance(status, int) else 0


def usage(error: click.ClickException) -> str:
    """Wrong usage in one line: which command, what is wrong, where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "pipeline"
    message = error.format_message().rstrip(".")
    return f"{command}: {message}" + ("" if message.endswith((")", "?")) else f" (see `{command} --help`)")


def tell(error: BaseException) -> int:
    """Says in one line what went wrong and gives back the exit status it means."""
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(_innermost(error))
    if not isinstance(_innermost(error), KeyboardInterrupt | SystemExit):
        click.echo(sentence(error), err=True)
    return exit_for(error)


def exit_for(error: BaseException) -> int:
    """The exit status that whatever ended a command means."""
    error = _innermost(error)
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return status_of(error) if isinstance(error, PipelineError) else 1


def sentence(error: BaseException) -> str:
    """What went wrong in one line a person can act on."""
    error = _innermost(error)
    if isinstance(error, PipelineError):
        return str(error)
    return (
        f"pipeline: a fault in the tool: {type(error).__name__}: {error} (set {DEBUG}=1 to see where; nothing that"
        " arrived is lost, run the same command again)"
    )


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def status_of(error: PipelineError) -> int:
    """The exit status an error means, by the table of exit statuses."""
    match error:
        case FeedGuardError():
            return 5
        case UserError():
            return 2
        case KeyRefused():
            return 3
        case LedgerBusy():
            return 75
        case Interrupted():
            return error.exit
        case _:
            return 1
