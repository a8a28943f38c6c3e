"""The run lock: one holder, named; gone with its process; refused where locks lie."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.domain.errors import LedgerBusy, MachineError
from pipeline.ledger import Holder, RunLock, network_file_system, require_local

ME = Holder(pid=os.getpid(), host="this", since="2026-11-21T12:00:00Z", manifest="jobs/shop.yaml")

HOLD = """
import subprocess, sys
from pathlib import Path
from pipeline.ledger.lock import Holder, RunLock
who = Holder(pid=4242, host="büro", since="2026-11-21T01:02:03Z", manifest="jobs/night.yaml")
lock = RunLock.take(Path(sys.argv[1]), who)
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_second_run_is_told_who_holds_the_ledger(tmp_path: Path) -> None:
    with RunLock.take(tmp_path / ".pipeline", ME):
        with pytest.raises(LedgerBusy) as caught:
            RunLock.take(tmp_path / ".pipeline", ME)
        for part in (str(ME.pid), ME.host, ME.since, ME.manifest, "--wait"):
            assert part in str(caught.value)
        assert RunLock.try_take(tmp_path / ".pipeline", ME) == ME


def test_a_folder_that_is_made_for_the_lock_is_private(tmp_path: Path) -> None:
    with RunLock.take(tmp_path / ".pipeline", ME):
        assert (tmp_path / ".pipeline").stat().st_mode & 0o777 == 0o700


def test_a_released_lock_is_free_at_once(tmp_path: Path) -> None:
    lock = RunLock.take(tmp_path, ME)
    lock.release()
    lock.release()
    with RunLock.take(tmp_path, ME):
        pass


def test_a_killed_holder_is_taken_over_at_once_although_its_child_lives(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            taken = RunLock.try_take(tmp_path, ME)
            assert taken == Holder(pid=4242, host="büro", since="2026-11-21T01:02:03Z", manifest="jobs/night.yaml")
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            with RunLock.take(tmp_path, ME):
                os.kill(child, 0)  # it lives, and does not hold the lock
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_text_nobody_can_read_still_holds(tmp_path: Path) -> None:
    with RunLock.take(tmp_path, ME):
        (tmp_path / "ledger.lock").write_bytes(b"\xff{half")
        with pytest.raises(LedgerBusy, match="another run"):
            RunLock.take(tmp_path, ME)


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ledger.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError, match=r"ledger\.lock"):
        RunLock.take(tmp_path, ME)
    assert not (tmp_path / "elsewhere").exists()


def test_an_output_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="writable"):
        RunLock.take(tmp_path / "file" / ".pipeline", ME)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/ann/output", ""),
        ("/mnt/nas/output", "nfs4"),
        ("/mnt/nas/local/output", ""),
        ("/mnt/my disk/output", "fuse.sshfs"),
        ("/mnt/nasty", ""),
        ("/mnt/windows", "cifs"),
        ("/mnt/covered/x", "nfs"),
    ],
)
def test_network_file_systems_are_known_by_their_type(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "23 22 0:50 / /mnt/nas rw - nfs4 nas:/export rw\n"
        "24 23 8:2 / /mnt/nas/local rw - xfs /dev/sdb1 rw\n"
        "25 22 0:51 / /mnt/my\\040disk rw - fuse.sshfs ann@host:/ rw\n"
        "26 22 0:52 / /mnt/windows rw master:2 - cifs //pc/share rw\n"
        "27 22 8:3 / /mnt/covered rw - ext4 /dev/sdc1 rw\n"
        "28 27 0:53 / /mnt/covered rw - nfs nas:/other rw\n"
        "a line from the future\n"
    )
    assert network_file_system(Path(folder), mounts) == kind
    if kind:
        with pytest.raises(MachineError, match=f"{kind}.*--output"):
            require_local(Path(folder), mounts)
    else:
        require_local(Path(folder), mounts)


def test_where_nobody_can_tell_the_file_system_is_taken_for_local(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "missing") == ""
