"""The command line `gateway`: one module for each command."""

from gateway.cli.command_line import main

__all__ = ["main"]
