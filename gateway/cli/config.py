"""`gateway config`: the settings with their values, and where each value comes from."""

import argparse

from gateway.cli.subcommand import Subcommand
from gateway.settings.options import add_options, load, origins

__all__ = ["COMMAND"]


def _run(parsed: argparse.Namespace) -> int:
    rows = [(leaf.variable, value, origin) for leaf, value, origin in origins(parsed, load(parsed))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for variable, value, origin in rows:
        print(f"{variable:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
    return 0


COMMAND = Subcommand(
    "config", "print all settings with their values, and where each value comes from", add_options, _run
)
