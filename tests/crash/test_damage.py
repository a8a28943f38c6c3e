"""Damage of every kind: disks that are full or cannot be written, ledgers and images that are gone, cut or altered."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.program import ROOT, Server, serving
from tests.crash.scenes import Story
from tests.crash.witness import Witness

SOLD = 21


def can_mount() -> bool:
    tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return tried.returncode == 0


mounts = pytest.mark.skipif(not can_mount(), reason="no mounts of one's own are allowed here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as started:
        yield started


@contextmanager
def told(server: Server, folder: Path, view: Path | None = None) -> Iterator[Story]:
    folder.mkdir(exist_ok=True)
    with Witness(folder / "bill").open() as witness:
        yield Story(folder=folder / "work", server=server, witness=witness, at_once=4, view=view)


@pytest.fixture
def story(server: Server, tmp_path: Path) -> Iterator[Story]:
    """A story whose manifest is done."""
    with told(server, tmp_path / "story") as made:
        assert made.run().code == 0
        yield made
        assert made.faults == []


def ledger(story: Story) -> Path:
    return story.output / ".pipeline" / "ledger.db"


def sold(story: Story) -> int:
    return len(story.witness.sales())


def images(story: Story) -> list[Path]:
    return sorted((story.output / ".pipeline" / "images").rglob("*.png"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_deleted_ledger_is_made_anew_with_nothing_bought_again(story: Story) -> None:
    story.lose_ledger()
    assert story.run().code == 0
    assert sold(story) == SOLD
    assert story.command("verify").code == 0


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_cut_ledger_is_refused_with_the_way_out_and_left_as_it_is(story: Story, share: float) -> None:
    for log in ledger(story).parent.glob("ledger.db-*"):
        log.unlink()
    whole = ledger(story).read_bytes()
    cut = whole[: int(len(whole) * share)]
    ledger(story).write_bytes(cut)
    refused = story.command("run", "crash.yaml", "--json")
    assert (refused.code, sold(story)) == (1, SOLD)
    assert "verify --rebuild" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert ledger(story).read_bytes() == cut
    assert story.command("verify", "--rebuild").code == 0
    assert cut in [path.read_bytes() for path in ledger(story).parent.glob("ledger-before-*.db")]
    assert story.run().code == 0
    assert sold(story) == SOLD


def test_a_ledger_of_garbage_is_refused_too(story: Story) -> None:
    data = bytearray(ledger(story).read_bytes())
    data[4096:20480] = b"\xa5" * (20480 - 4096)
    ledger(story).write_bytes(data)
    refused = story.command("run", "crash.yaml", "--json")
    assert (refused.code, sold(story)) == (1, SOLD)
    assert "verify --rebuild" in refused.err
    assert story.command("verify", "--rebuild").code == 0
    assert story.run().code == 0
    assert sold(story) == SOLD


def test_flipped_bits_are_found_and_put_back_from_the_output_tree(story: Story) -> None:
    damaged = images(story)[::4]
    for path in damaged:
        flip(path)
    found = story.command("verify")
    assert found.code == 1
    assert all(path.stem in found.out or path.stem[:12] in found.out for path in damaged)
    assert story.command("verify", "--repair").code == 0
    assert story.command("verify").code == 0
    assert story.run().code == 0
    assert sold(story) == SOLD


def test_an_image_that_is_damaged_everywhere_is_bought_once_more(story: Story) -> None:
    (copy,) = (story.output / "crash" / "one").glob("a.png")
    data = copy.read_bytes()
    (image,) = (path for path in images(story) if path.read_bytes() == data)
    flip(image)
    copy.unlink()
    repaired = story.command("verify", "--repair")
    assert "one/a" in repaired.out
    story.rebuys["one a"] += 1
    assert story.run().code == 0
    assert sold(story) == SOLD + 1
    # The purchase stays on record although its picture is gone; anything else would be a fault.
    story.faults = [fault for fault in story.faults if not ("H1 attempt" in fault or "H4" in fault)]


def test_deleted_outputs_come_back_for_nothing(story: Story) -> None:
    for path in (story.output / "crash").rglob("*.png"):
        path.unlink()
    assert story.command("verify", "--repair").code == 0
    assert story.run().code == 0
    assert sold(story) == SOLD


@pytest.mark.parametrize("place", ["", "crash", "crash/thumbs"])
def test_what_a_killed_process_left_of_the_sheet_goes_at_the_next_run(story: Story, place: str) -> None:
    """Left by the sheet's own writer, so that the names it gives are the names that are swept."""
    target = story.output / place / "index.html"
    before = set(target.parent.iterdir())
    dying = "import os, sys; from pathlib import Path; from pipeline.sheet.files import write_pieces; "
    dying += "write_pieces(Path(sys.argv[1]), (os._exit(9) for _ in range(1)))"
    assert subprocess.run([sys.executable, "-c", dying, str(target)], cwd=ROOT, check=False).returncode == 9
    (half,) = set(target.parent.iterdir()) - before
    assert story.run().code == 0
    assert not half.exists()


@mounts
def test_a_read_only_output_folder_is_told_before_anything_is_bought(tmp_path: Path) -> None:
    output = tmp_path / "story" / "work" / "output"
    output.mkdir(parents=True)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    before = ("unshare", "-Urm", "sh", "-c", script, str(output))
    with serving(tmp_path / "server", before=before) as server, told(server, tmp_path / "story") as story:
        ended = story.command("run", "crash.yaml", "--json")
        assert ended.code == 1
        assert str(output) in ended.err
        assert sold(story) == 0
        assert story.faults == []


@mounts
@pytest.mark.parametrize("room", [400, 4_000, 8_000])
def test_on_a_full_disk_nothing_that_came_is_lost_and_room_is_all_it_needs(tmp_path: Path, room: int) -> None:
    output = tmp_path / "story" / "work" / "output"
    output.mkdir(parents=True)
    script = 'mount -t tmpfs -o size=64m tmpfs "$0" && exec "$@"'
    before = ("unshare", "-Urm", "sh", "-c", script, str(output))
    with serving(tmp_path / "server", before=before) as server:
        view = Path(f"/proc/{server.process.pid}/root{output}")
        with told(server, tmp_path / "story", view) as story:
            story.command("verify")  # the name space is ready when this has ended
            ballast = view / "ballast"
            ballast.write_bytes(bytes(64 * 1024 * 1024 - room * 1024))
            ended = story.command("run", "crash.yaml", "--json")
            assert ended.code in {0, 1, 14}, ended.err
            ballast.unlink()
            story.waiting = story.at_once if ended.code == 1 else 0
            story.check()
            story.waiting = 0  # the next start settles them all
            story.finish()
            assert story.faults == []
