"""Sidecars and stamped copies: ours for every other command, and gone when the picture goes."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.nightly.project import pipeline, project

BOTH = "output: {sidecar: true, xmp: true}\n"


def _red(folder: Path) -> Path:
    return folder / "output/night/poster/red.jpg"


def test_a_sidecar_tells_the_story_and_the_store_keeps_the_bytes_as_they_came(tmp_path: Path) -> None:
    pipeline("run", project(tmp_path, BOTH))
    side = json.loads((tmp_path / "output/night/poster/red.jpg.json").read_text())
    assert side["asset"] == "poster/red"
    assert side["prompt"].startswith("A red poster")
    assert side["bought"]["provider"] == "sketch"
    (kept,) = (tmp_path / "output/.pipeline/images").rglob(f"{side['sha256']}.jpg")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == side["sha256"]
    with Pillow.open(_red(tmp_path)) as copy, Pillow.open(kept) as stored:
        assert b"trainedAlgorithmicMedia" in copy.info["xmp"]
        assert "xmp" not in stored.info
        assert copy.tobytes() == stored.tobytes()
    assert _red(tmp_path).stat().st_mode & 0o777 == 0o666 & ~_umask(tmp_path)


def _umask(folder: Path) -> int:
    probe = folder / "probe"
    probe.touch()
    return 0o666 & ~probe.stat().st_mode


def test_copies_and_sidecars_are_ours_and_a_second_run_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = project(tmp_path, BOTH)
    pipeline("run", manifest)
    files = [_red(tmp_path), _red(tmp_path).with_suffix(".jpg.json")]
    before = [file.stat().st_mtime_ns for file in files]
    pipeline("run", manifest)
    assert [file.stat().st_mtime_ns for file in files] == before
    capsys.readouterr()
    assert pipeline("verify", "--output", tmp_path / "output") == 0
    assert capsys.readouterr().out == ""


def test_a_stamped_copy_is_traced_put_back_and_adopted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, output = project(tmp_path, BOTH), tmp_path / "output"
    pipeline("run", manifest)
    stamped = _red(tmp_path).read_bytes()
    away = tmp_path / "renamed.jpg"
    away.write_bytes(stamped)
    capsys.readouterr()
    assert pipeline("trace", away, "--output", output) == 0
    assert "poster/red of night" in capsys.readouterr().out
    _red(tmp_path).unlink()
    assert pipeline("verify", "--repair", "--output", output) == 0
    assert _red(tmp_path).read_bytes() == stamped
    for file in (output / ".pipeline").glob("ledger.db*"):
        file.unlink()
    assert pipeline("verify", "--rebuild", "--output", output) == 0
    pipeline("run", manifest)
    assert _red(tmp_path).read_bytes() == stamped
    assert not list(_red(tmp_path).parent.glob("*~new*"))


def test_turning_the_stamp_off_gives_the_bytes_as_they_came(tmp_path: Path) -> None:
    pipeline("run", project(tmp_path, BOTH))
    pipeline("run", project(tmp_path))
    digest = hashlib.sha256(_red(tmp_path).read_bytes()).hexdigest()
    assert list((tmp_path / "output/.pipeline/images").rglob(f"{digest}.jpg"))


def test_a_damaged_image_is_put_back_from_a_stamped_copy(tmp_path: Path) -> None:
    pipeline("run", project(tmp_path, BOTH))
    side = json.loads((tmp_path / "output/night/poster/red.jpg.json").read_text())
    (kept,) = (tmp_path / "output/.pipeline/images").rglob(f"{side['sha256']}.jpg")
    whole = kept.read_bytes()
    kept.unlink()
    assert pipeline("verify", "--repair", "--output", tmp_path / "output") == 0
    assert kept.read_bytes() == whole


def test_an_edited_copy_stays_and_a_strangers_json_is_no_sidecar(tmp_path: Path) -> None:
    manifest = project(tmp_path, BOTH)
    pipeline("run", manifest)
    with Pillow.open(_red(tmp_path)) as picture:
        picture.rotate(90).save(_red(tmp_path))
    edited = _red(tmp_path).read_bytes()
    side = _red(tmp_path).with_suffix(".jpg.json")
    side.write_text('{"mine": 1}')
    pipeline("run", manifest)
    assert _red(tmp_path).read_bytes() == edited
    assert side.read_text() == '{"mine": 1}'


def test_prune_takes_the_sidecar_along(tmp_path: Path) -> None:
    manifest = project(tmp_path, BOTH)
    pipeline("run", manifest)
    manifest.write_text(manifest.read_text().replace("[red, teal]", "[teal]"))
    assert pipeline("prune", manifest, "--delete") == 0
    assert [file.name for file in sorted(_red(tmp_path).parent.iterdir())] == ["teal.jpg", "teal.jpg.json"]
