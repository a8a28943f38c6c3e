"""The command group: what is answered before anything heavy is loaded."""

import subprocess
import sys

import pytest

from pipeline.cli.root import COMMANDS, run


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


def test_a_mistyped_command_gets_a_suggestion_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plon"]) == 2
    assert "did you mean 'plan'?" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from pipeline.cli.root import run; run(['--help']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'httpx'", "'pydantic'", "'rich'", "'sqlite_utils'", "'yaml'", "'PIL'", "'jinja2'", "'anyio'"):
        assert heavy not in loaded
