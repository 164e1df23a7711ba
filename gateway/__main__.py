"""Runs the command line: `python -m gateway` and the console script `gateway`."""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Import the command without garbage collection, which would inspect the modules repeatedly, and run it."""
    gc.disable()
    from gateway.cli import parse, run  # noqa: PLC0415 - after the line above

    parsed = parse(sys.argv[1:])
    gc.freeze()
    gc.enable()
    run(parsed)


if __name__ == "__main__":
    main()
