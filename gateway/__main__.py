"""Runs the command line: `python -m gateway` and the console script `gateway`."""

import gc

__all__ = ["main"]


def main() -> None:
    """Import the command line without garbage collection, which would inspect the modules repeatedly, and run it."""
    gc.disable()
    from gateway.cli import main as run  # noqa: PLC0415 - after the line above

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
