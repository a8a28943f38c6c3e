"""A desk to a test."""

from pathlib import Path

import pytest

from tests.acceptance.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty project."""
    return Desk(tmp_path)
