"""What a command of the command line is, and how it runs its coroutine."""

import argparse
import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gateway.kit.log_limit import LogLimit

__all__ = ["FAILED", "USAGE", "Subcommand", "run_logged"]

FAILED = 1
USAGE = 2


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its name, what it does in one line, its options, and the function that returns its exit status."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def run_logged(command: Coroutine[Any, Any, int], log_level: str) -> int:
    """Configure the log of the process, run the coroutine, and return its exit status."""
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    return asyncio.run(command)
