"""`pipeline` and `python -m pipeline` are the same."""

import os
import sys


def main() -> None:
    """Runs the command line and ends the process with its exit status."""
    # Else pydantic reads the metadata of every installed package, to look for plugins we do not use.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from pipeline.cli.root import run  # noqa: PLC0415 -- nothing heavy is imported before the arguments are known

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
