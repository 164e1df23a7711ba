"""`python -m gateway` is the command `gateway`."""

import gc

__all__ = ["main"]


def main() -> None:
    """Import without the collector, which else walks again and again over what stays, and run the command."""
    gc.disable()
    from gateway.cli import main as run  # noqa: PLC0415 - after the line above

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
