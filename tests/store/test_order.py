"""What a power cut could take at each moment of a purchase, told from its system calls."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.store import Places
from tests.store import syscalls

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not syscalls.can_trace(), reason="strace is not here or may not trace")


def trace(folder: Path, what: str) -> tuple[Places, Path]:
    places = Places(output=folder / "output")
    places.make()
    command = [sys.executable, "-m", "tests.store.child", str(places.output), what]
    syscalls.trace(folder / "log", command, cwd=ROOT, env={**os.environ, "PIPELINE_FAILPOINT": ""})
    return places, folder / "log"


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Path]:
    return trace(tmp_path_factory.mktemp("traced").resolve(), "purchase")


def first(log: Path, when: Callable[[syscalls.Machine], bool]) -> syscalls.Machine:
    return next(machine for machine in syscalls.replay(log) if when(machine))


def test_no_file_gets_its_name_before_its_bytes_are_synced(traced: tuple[Places, Path]) -> None:
    *_, last = syscalls.replay(traced[1])
    assert last.told == ["reserved", "received", "saved"]
    assert last.named_early == []


def test_when_saved_is_told_no_power_cut_takes_the_image_or_its_receipt(traced: tuple[Places, Path]) -> None:
    places, log = traced
    saved = first(log, lambda machine: "saved" in machine.told)
    for place in (places.images, places.receipts):
        at_risk = {path for path in saved.at_risk(place) if ".part-" not in path}
        assert at_risk == set()
    assert saved.at_risk(places.spool) == set()


def test_a_finished_body_is_durable_before_anything_is_made_of_it(traced: tuple[Places, Path]) -> None:
    places, log = traced
    images = str(places.images)
    started = first(
        log, lambda machine: any(path.startswith(images) for path in machine.unsynced_names | machine.unsynced_data)
    )
    assert started.at_risk(places.spool) == set()
    assert "received" in started.told


def test_a_spool_file_has_its_name_for_good_before_anything_is_sent(traced: tuple[Places, Path]) -> None:
    places, log = traced
    reserved = first(log, lambda machine: "reserved" in machine.told)
    (path,) = reserved.at_risk(places.spool)
    assert path.endswith(".flights")
    assert path not in reserved.unsynced_names


def test_what_is_put_aside_has_left_the_spool_only_when_it_is_durable(tmp_path: Path) -> None:
    places, log = trace(tmp_path.resolve(), "quarantine")
    evidence = {".why", ".part", ".head", ".intent"}
    synced_first = False
    for machine in syscalls.replay(log):
        kept = {Path(path).suffix for path in machine.moves if Path(path).parent == places.quarantine}
        synced_first |= kept == evidence and not machine.at_risk(places.quarantine)
        if machine.gone:
            assert synced_first
    assert [Path(path).suffix for path in machine.gone] == [".flights"]


def test_what_is_put_aside_as_evidence_is_durable(tmp_path: Path) -> None:
    places, log = trace(tmp_path.resolve(), "quarantine")
    *_, last = syscalls.replay(log)
    assert {path.suffix for path in places.quarantine.iterdir()} == {".part", ".head", ".intent", ".why"}
    assert last.named_early == []
    assert last.at_risk(places.quarantine) == set()


def test_at_the_end_everything_people_see_is_durable(traced: tuple[Places, Path]) -> None:
    places, log = traced
    *_, last = syscalls.replay(log)
    assert last.at_risk(places.output / "job") == set()
    assert (places.output / "job" / "hero" / "SKU-1.jpg").exists()
