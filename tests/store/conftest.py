"""Where inputs are handed in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.inputs import InputDesk


@pytest.fixture
def inputs(tmp_path: Path) -> InputDesk:
    (tmp_path / "inputs").mkdir()
    return InputDesk(tmp_path / "inputs")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], str]:
    def written(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return written
