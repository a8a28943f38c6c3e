"""What the tests of manifests may ask for."""

from pathlib import Path

import pytest

from tests.manifest.world import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder for manifests."""
    return Folder(root=tmp_path)
