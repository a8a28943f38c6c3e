"""The highest memory of a process, as the kernel tells it."""

import resource
from pathlib import Path


def high_water(pid: int | None = None) -> float:
    """VmHWM in MB of a process, ours by default; unlike ru_maxrss it does not start at the parent's. 0: it is gone."""
    status = Path(f"/proc/{pid or 'self'}/status")
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0 if pid else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
