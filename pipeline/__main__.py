"""`pipeline` and `python -m pipeline` are the same."""

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit status."""
    from pipeline.cli.root import run  # noqa: PLC0415 -- nothing heavy is imported before the arguments are known

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
