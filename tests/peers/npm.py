"""Programs from npm: where Node and the installed packages are, and what a client of ours-to-be-judged saw."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE_FOLDER = Path(__file__).parent / "node"


def node() -> str:
    """The path of Node. Skips the test where it or the packages are missing; fails it where CI is set."""
    found = shutil.which("node")
    missing = "Node.js is not on this machine" if found is None else "its packages are not installed (make peers-node)"
    if found is None or not (NODE_FOLDER / "node_modules" / "openai").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def seen_by(*arguments: str) -> dict[str, Any]:
    """What one of the programs in the node folder reports of each of its cases."""
    command = [node(), *arguments]
    finished = subprocess.run(command, check=False, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    seen = json.loads(finished.stdout)
    assert isinstance(seen, dict)
    return seen
