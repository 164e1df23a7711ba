"""The command line `gateway`: one module for each command."""

from gateway.cli.command_line import main, parse, run

__all__ = ["main", "parse", "run"]
