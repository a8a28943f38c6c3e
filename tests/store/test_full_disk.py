"""No room on the disk: nothing half is left, nothing new is sent, and what arrived is kept if any room allows."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.domain.errors import DiskFull
from pipeline.domain.record import PAID, AttemptId
from pipeline.domain.step import AssetName
from pipeline.inputs import InputDesk
from pipeline.store import FileStore, Places, Spool, Tree
from tests.store import child
from tests.store.spooling import full_disk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(output=tmp_path / "output")
    made.make()
    return made


@pytest.mark.parametrize("largest", [0, 1, 1000, 65_152])
def test_a_full_disk_keeps_no_part_of_anything(places: Places, largest: int) -> None:
    spool, store = Spool(places.spool, places.quarantine), FileStore(places.images)
    tree = Tree(places.output, store)
    image = store.put(child.picture())
    big = child.picture() + bytes(100)
    source = Path(__file__).resolve().parents[2] / "jobs" / "photos" / "cup.jpg"
    before = {path for path in places.output.rglob("*") if path.is_file()}
    attempts: list[Callable[[], object]] = [
        lambda: spool.open(AttemptId("one"), reserve=70_000),
        lambda: store.put(big),
        lambda: tree.place(image, "job/a", space=PAID, asset=AssetName("a")),
        lambda: InputDesk(places.inputs).prepare(str(source), "image", image.digest),
    ]
    for attempt in attempts:
        with full_disk(largest), pytest.raises(DiskFull, match="room"):
            attempt()
        assert {path for path in places.output.rglob("*") if path.is_file()} == before


def test_a_body_for_which_the_disk_has_no_room_is_still_received_and_its_picture_kept(places: Places) -> None:
    body = child.picture()
    with Spool(places.spool, places.quarantine).open(AttemptId("one")) as flight:
        with full_disk(70_000):
            flight.write(body)
            flight.write(bytes(9000) + b"}")
            assert flight.trouble is not None
            with pytest.raises(DiskFull):
                flight.finish()
            assert flight.fragment() == body + bytes(9000) + b"}"
            (path,) = places.spool.iterdir()
            assert path.stat().st_size < 1000, "its room is free for the picture"
            FileStore(places.images).put(body)
        assert flight.finish() == flight.fragment()
        assert (places.spool / "one.body").read_bytes() == flight.fragment()
    assert Spool(places.spool, places.quarantine).reopen(AttemptId("one")).finish() == body + bytes(9000) + b"}"


def test_a_body_that_fits_neither_the_disk_nor_memory_is_told(places: Places) -> None:
    with Spool(places.spool, places.quarantine, memory=50_000).open(AttemptId("one")) as flight, full_disk(10_000):
        flight.write(bytes(40_000))
        with pytest.raises(DiskFull, match="an answer cannot be kept"):
            flight.write(bytes(40_000))


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = f"mount -t tmpfs -o size=64k tmpfs {folder}"
    return subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True, check=False).returncode == 0


_PURCHASE = """
mount -t tmpfs -o size={size}k tmpfs {folder} || exit 99
{python} -c 'from pathlib import Path; from pipeline.store import Places; Places(output=Path("{folder}/output")).make()'
{python} -m tests.store.child {folder}/output purchase
echo ended $?
find {folder} -name ".part-*"
find {folder} -path "*images*" -type f | xargs -r sha256sum
"""


@pytest.mark.parametrize("size", [64, 160, 200, 260, 300, 420])
def test_on_a_disk_that_is_really_full_nothing_half_is_left(tmp_path: Path, size: int) -> None:
    if not can_mount(tmp_path):
        pytest.skip("a small disk cannot be mounted here; the limit on file sizes stands in for it")
    script = _PURCHASE.format(size=size, folder=tmp_path, python=sys.executable)
    ended = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PIPELINE_FAILPOINT": ""},
    )
    assert not ended.stderr
    assert ".part-" not in ended.stdout
    told = ended.stdout.split("\n")
    assert "ended 0" in told or any(line.startswith("DiskFull") for line in told)
    assert "reserved" in told or "received" not in told
    if "received" in told and size >= 260:
        assert "saved" in told
    for line in told:
        if "/images/" in line and not line.startswith("DiskFull"):
            digest, path = line.split()
            assert Path(path).stem == digest
