"""The command group: what is answered before anything heavy is loaded."""

import json
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reconcile"], "pipeline reconcile: Missing argument 'MANIFEST' (see `pipeline reconcile --help`)"),
        (["plan", "x.yaml", "--limit", "many"], "pipeline plan: Invalid value for '--limit'"),
        (["plan", "x.yaml", "--onyl", "x"], "--only"),
        (["plon"], "pipeline: no command 'plon' (did you mean 'plan'?)"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_command(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_the_schema_is_written_here_into_a_folder_or_beside_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "shop"]) == 0
    for target, folder in ((None, tmp_path), ("shop", tmp_path / "shop"), ("shop/shop.yaml", tmp_path / "shop")):
        assert run(["schema", "--write", *([target] if target else [])]) == 0
        written = folder / "manifest.schema.json"
        assert json.loads(written.read_text())["title"]
        written.unlink()
