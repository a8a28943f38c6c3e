"""Where inputs are handed in, and where answers are spooled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.inputs import InputDesk
from pipeline.store import Spool


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


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    (tmp_path / "spool").mkdir()
    (tmp_path / "quarantine").mkdir()
    return Spool(tmp_path / "spool", tmp_path / "quarantine")
