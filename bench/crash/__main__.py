"""`make crash`: the long forms of everything in tests/crash, one after another, with their figures.

``python -m bench.crash [--kills 1000] [--images 600]``. Takes some forty minutes on two cores.
"""

import argparse
import platform
import subprocess
import sys


def main(kills: int, images: int) -> int:
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}",
        flush=True,
    )
    parts = (
        ("tests.crash.campaign", "--kills", str(kills)),
        ("tests.crash.powercut", "--images", str(images)),
        ("tests.crash.mutants",),
    )
    return max(subprocess.run([sys.executable, "-m", *part], check=False).returncode for part in parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The promise proved by force.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--images", type=int, default=600)
    given = parser.parse_args()
    sys.exit(main(given.kills, given.images))
