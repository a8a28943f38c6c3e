"""Kills and disk errors at every named step of the save path, in a child process; this process is the witness."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.domain import failpoint
from pipeline.domain.digest import digest_of
from pipeline.domain.failpoint import FAILPOINTS
from pipeline.domain.record import PAID
from pipeline.domain.step import AssetName
from pipeline.store import BrokenReceipt, Evidence, FileStore, Places, Receipts, Spool, Tree
from tests.store import child, records

ROOT = Path(__file__).resolve().parents[2]
OURS = sorted(name for name in FAILPOINTS if name.split(".")[0] in {"spool", "image", "receipt", "place", "input"})


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store.child"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def run(server: subprocess.Popen[str], tmp_path: Path) -> Run:
    """Runs a purchase in a child process of its own and says how it ended."""

    def ran(places: Places, at: str = "", largest: int = 0) -> Ended:
        assert server.stdin is not None
        assert server.stdout is not None
        job = {
            "folder": str(places.output),
            "what": "input" if at.startswith("input") else "purchase",
            "largest": str(largest or ""),
            "failpoint": at,
            "out": str(tmp_path / "out"),
            "err": str(tmp_path / "err"),
        }
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return Ended(code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text())

    return ran


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(output=tmp_path / "output")
    made.make()
    return made


def check_whole(places: Places) -> None:
    """Whatever has a name is whole: every image hashes to it, every receipt reads, every output is the picture."""
    for stored in FileStore(places.images).walk():
        assert stored.digest == digest_of(stored.path.read_bytes())
    assert not [found for found in Receipts(places.receipts).walk() if isinstance(found, BrokenReceipt)]
    for path in Tree(places.output, FileStore(places.images)).walk("job"):
        if not Path(path).name.startswith("."):
            assert (places.output / path).read_bytes() == child.picture()
    for copied in places.inputs.iterdir():
        if len(copied.name) == 64:
            assert copied.name == digest_of(copied.read_bytes())


def recover(places: Places) -> None:
    """What the next start does with the evidence; its end must not depend on where the child died."""
    spool, receipts, store = Spool(places.spool, places.quarantine), Receipts(places.receipts), FileStore(places.images)
    for evidence in list(spool.scan()):
        flight = spool.reopen(evidence.attempt_id)
        if flight.fragment() == child.picture():
            store.put(flight.finish())
            receipts.write(records.INTENT, records.SETTLEMENT)
        flight.discard()
    if not receipts.is_empty():
        tree = Tree(places.output, store)
        image = store.verify(digest_of(child.picture()))
        tree.place(image, "job/hero/SKU-1", space=PAID, asset=AssetName("hero/SKU-1"))
        tree.sweep("job")
    spool.sweep()
    assert list(spool.scan()) == []
    spool.close()
    receipts.sweep()
    store.sweep()


def leftovers(places: Places) -> list[str]:
    kept = (places.images, places.spool, places.receipts, places.output / "job")
    return [
        str(path)
        for place in kept
        for path in place.rglob("*")
        if path.name.startswith(".part") or place == places.spool
    ]


def test_without_a_failpoint_the_purchase_ends_well(run: Run, places: Places) -> None:
    ended = run(places)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["reserved", "received", "saved"]
    check_whole(places)
    assert not leftovers(places)
    assert list(Tree(places.output, FileStore(places.images)).walk("job")) == ["job/hero/SKU-1.jpg"]


@pytest.mark.parametrize("name", OURS)
def test_killed_at_any_step_nothing_that_arrived_is_lost(run: Run, places: Places, name: str) -> None:
    ended = run(places, f"{name}:1:kill")
    assert ended.returncode == -9, (name, ended.stdout, ended.stderr)
    check_whole(places)
    arrived = "received" in ended.stdout
    if arrived:
        bodies = [Spool(places.spool, places.quarantine).reopen(found.attempt_id) for found in _scan(places)]
        safe = any(flight.fragment() == child.picture() for flight in bodies)
        assert safe or not Receipts(places.receipts).is_empty()
    if "saved" in ended.stdout:
        assert not Receipts(places.receipts).is_empty()
        assert FileStore(places.images).find(digest_of(child.picture()))
    recover(places)
    check_whole(places)
    assert not leftovers(places)
    assert (FileStore(places.images).find(digest_of(child.picture())) is not None) is arrived


def _scan(places: Places) -> list[Evidence]:
    return list(Spool(places.spool, places.quarantine).scan())


@pytest.mark.parametrize("name", OURS)
def test_a_disk_that_is_full_from_any_step_on_leaves_nothing_half(run: Run, places: Places, name: str) -> None:
    ended = run(places, f"{name}:1+:enospc")
    assert ended.returncode == 0 or "DiskFull" in ended.stdout, ended.stderr
    assert not ended.stderr
    check_whole(places)
    if "received" in ended.stdout and not name.startswith("image"):
        assert FileStore(places.images).find(digest_of(child.picture()))
    recover(places)
    check_whole(places)
    assert not leftovers(places)


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith(("write", "sync", "link", "rename", "copy"))])
def test_an_input_output_error_at_any_step_leaves_nothing_half(run: Run, places: Places, name: str) -> None:
    ended = run(places, f"{name}:1+:eio")
    assert ended.returncode == 0 or "MachineError" in ended.stdout, ended.stderr
    assert not ended.stderr
    check_whole(places)
    recover(places)
    check_whole(places)
    assert not leftovers(places)


def test_an_eio_that_passes_costs_nothing(run: Run, places: Places) -> None:
    for name in ("image.write", "image.sync", "spool.sync", "spool.write"):
        shutil.rmtree(places.output)
        places.make()
        ended = run(places, f"{name}:1:eio")
        assert ended.returncode == 0, (name, ended.stdout, ended.stderr)
        assert "saved" in ended.stdout


@pytest.mark.parametrize("largest", [1000, 10_000, 50_000, 65_152, 100_000])
def test_a_file_size_limit_is_a_full_disk_and_leaves_no_part_of_a_file(run: Run, places: Places, largest: int) -> None:
    ended = run(places, largest=largest)
    assert ended.returncode == 1
    assert "DiskFull" in ended.stdout
    assert "received" not in ended.stdout
    check_whole(places)
    assert not [path for path in places.state.rglob("*") if path.is_file()] or largest > 65_000


def test_the_names_in_the_source_are_the_names_in_the_list() -> None:
    used: set[str] = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        if path.name == "failpoint.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                used |= _names(node)
    assert used == set(FAILPOINTS)
    assert all(FAILPOINTS.values())


def _names(call: ast.Call) -> set[str]:
    """What a call names as a failpoint: ``failpoint("x")``, or ``write_whole(…, at="x")``."""
    named = isinstance(call.func, ast.Name) and call.func.id == "failpoint"
    values = [*(call.args if named else []), *(keyword.value for keyword in call.keywords if keyword.arg == "at")]
    return {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}


@pytest.mark.parametrize("text", ["nothing:1:kill", "image.link:1:dance", "image.link:x:kill", "image.link"])
def test_a_misspelt_failpoint_is_told_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="PIPELINE_FAILPOINT"):
        failpoint._Armed(text)


def test_a_failpoint_acts_on_its_own_hit_only(run: Run, places: Places) -> None:
    assert run(places, "spool.write:2:exit").returncode == 70
    (evidence,) = Spool(places.spool, places.quarantine).scan()
    assert evidence.size == 8192
