"""What a command of the command line is, and how it runs its coroutine."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.kit.extras import require_extra
from gateway.telemetry.log_fields import json_line, log_time

if TYPE_CHECKING:
    from gateway.settings.tree import EventLoop
    from gateway.telemetry.log_stream import LogStream

__all__ = ["FAILED", "USAGE", "Subcommand", "fail", "integer", "number", "print_ready", "run_logged"]

FAILED = 1
USAGE = 2


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its options, and the function that returns its exit status."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer within bounds, for `add_argument`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f'got "{text}"; must be an integer') from None
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f'got "{text}"; must be from {minimum} to {maximum}')
        return value

    return read


def number(text: str) -> float:
    """Return the value of an option that is a number.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'got "{text}"; must be a number') from None


def print_ready(rows: Mapping[str, str], log_format: str, text: str = "") -> None:
    """Print that the gateway is ready, with one row for each address and the like, and then the text.

    With the log in JSON it is one JSON object like those of the log, without the text: all that a container prints is
    often read as one log.
    """
    if log_format == "json":
        fields = {name.replace(" ", "_").lower(): value for name, value in rows.items()}
        line = {"time": log_time(time.time()), "level": "info", "logger": "gateway", "event": "ready", **fields}
        print(json_line(line), flush=True)
    else:
        print(
            "\n".join(["ready", *(f"  {name:<9} {value}" for name, value in rows.items()), *text.splitlines()]),
            flush=True,
        )


def fail(error: Exception, log_format: str) -> int:
    """Print why a command ends, as a record with the log in JSON; return its exit status.

    An OSError is a port that is in use or a file that cannot be written, a ValueError a setting, or a file that a
    setting names, that is not valid.
    """
    text, status = str(error), USAGE
    if isinstance(error, OSError):
        file = f"{error.filename}: " if error.filename else ""
        text, status = f"gateway: {file}{error.strerror or error}", FAILED
    if log_format == "json":
        text = json_line({"time": log_time(time.time()), "level": "critical", "logger": "gateway", "event": text})
    print(text, file=sys.stderr)
    return status


def run_logged(
    command: "Callable[[LogStream], Coroutine[Any, Any, int]]",
    log_level: str,
    log_format: str = "text",
    event_loop: "EventLoop" = "asyncio",
) -> int:
    """Configure the log of the process, run the coroutine with the stream of the log, and return its exit status."""
    from gateway.telemetry.log_config import configure_log  # noqa: PLC0415 - some commands log nothing
    from gateway.telemetry.log_stream import LogStream  # noqa: PLC0415 - the same

    with Path(os.devnull).open("w") as nowhere:  # for a process without standard error, as some supervisors start it
        log = LogStream(sys.stderr or nowhere, log_format)
        configure_log(log_level, log_format, stream=log)
        try:
            with asyncio.Runner(loop_factory=_loop_factory(event_loop)) as runner:
                return runner.run(command(log))
        except (ValueError, OSError) as error:
            return fail(error, log_format)
        finally:
            log.close()


def _loop_factory(event_loop: "EventLoop") -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what creates the event loop; None: asyncio does.

    Raises:
        MissingExtraError: uvloop is not installed.
    """
    if event_loop == "asyncio":
        return None
    require_extra("uvloop", "GATEWAY_EVENT_LOOP=uvloop")
    import uvloop  # noqa: PLC0415 - an extra

    return uvloop.new_event_loop
