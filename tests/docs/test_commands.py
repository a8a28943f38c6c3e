"""Every command the documentation shows is run, in the order it is shown, as a reader would."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.cli.root import run
from tests.docs.commands import ROOT, blocks

PAGES = ("tutorial.md", "shop.md", "game.md", "make.md", "models.md", "nightly.md")


def status_of(line: str) -> int:
    """How a line ends: commands of ours in this process, which is quicker; what needs a shell in one."""
    words = shlex.split(line)
    if words[0] == "pipeline" and not {"|", "||", "&&", ">"} & set(words):
        return run(words[1:])
    return subprocess.run(["bash", "-c", line], check=False, timeout=120).returncode


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    ran = 0
    for block in blocks(ROOT / "docs" / page):
        if block.file:
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.text)
        if block.language != "console":
            continue
        for line in block.text.splitlines():
            assert status_of(line) == 0, line
            ran += 1
    assert ran


def test_the_units_and_the_workflow_are_well_formed(tmp_path: Path) -> None:
    files = {block.file: block.text for block in blocks(ROOT / "docs/nightly.md") if block.file}
    workflow = yaml.safe_load(files[".github/workflows/pictures.yaml"])
    assert workflow["jobs"]["night"]["steps"]
    for name in ("pipeline.service", "pipeline.timer"):
        (tmp_path / name).write_text(files[name])
    if shutil.which("systemd-analyze"):
        units = [str(tmp_path / name) for name in ("pipeline.service", "pipeline.timer")]
        command = ["systemd-analyze", "verify", "--user", *units]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        assert "Unknown key" not in told
        assert "Failed to parse" not in told
    (line,) = [line for line in files["pipeline.crontab"].splitlines() if "pipeline run" in line]
    assert len(line.split(maxsplit=5)) == 6
    assert "%" not in line, "cron takes % for a line break"


@pytest.mark.parametrize("page", [*(f"docs/{page}" for page in PAGES), "docs/manifest.md", "README.md"])
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), target


def test_the_picture_of_a_sheet_is_small() -> None:
    assert (ROOT / "docs/sheet.png").stat().st_size < 300_000


def test_the_targets_of_the_readme_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_every_model_the_advice_names_is_in_the_catalogue() -> None:
    known = yaml.safe_load((ROOT / "pipeline/catalogue/models.yaml").read_text(encoding="utf-8"))["models"]
    named = set(re.findall(r"`((?:gpt|gemini|dall)-[^`]+)`", (ROOT / "docs/models.md").read_text(encoding="utf-8")))
    assert named
    assert named <= set(known)
