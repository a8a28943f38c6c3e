"""The examples in `jobs/`, each run as its comment says, on the embedded gateway."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.machine import command

JOBS = Path(__file__).resolve().parents[2] / "jobs"
ASSETS = {"quickstart": 21, "product-shots": 20, "game-icons": 21}


@pytest.mark.parametrize("name", ASSETS)
def test_an_example_makes_all_its_pictures_and_asks_for_nothing_again(name: str, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    shutil.copytree(JOBS, jobs)
    first = command("run", jobs / f"{name}.yaml", "--json", environ={})
    assert first.exit == 0, first.err
    assert first.json["assets"]["done"] + first.json["assets"]["cached"] == ASSETS[name]
    folder = tmp_path / "output" / name
    index = json.loads((folder / "index.json").read_bytes())["assets"]
    assert len(index) == ASSETS[name]
    for entry in index.values():
        with Image.open(folder / entry["path"]) as picture:
            assert picture.size == (1024, 1024)
            if name == "game-icons":
                assert picture.mode == "RGBA"
                assert picture.getchannel("A").getextrema()[0] == 0
    assert (folder / "index.html").stat().st_size > 1000
    second = command("run", jobs / f"{name}.yaml", "--json", "--no-sheet", environ={})
    assert (second.exit, second.json["requests"], second.json["assets"]["cached"]) == (0, 0, ASSETS[name])


def test_what_init_writes_runs_as_it_is(tmp_path: Path) -> None:
    written = command("init", "shop", environ={}, cwd=tmp_path)
    assert written.exit == 0
    ran = command("run", "shop/shop.yaml", "--json", environ={}, cwd=tmp_path)
    assert (ran.exit, ran.json["assets"]["done"]) == (0, 8), ran.err
    again = command("init", "shop", environ={}, cwd=tmp_path)
    assert "kept" in again.err, "nothing is overwritten"
