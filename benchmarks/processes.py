"""Runs programs on one core each, waits with a timeout until they are ready, and stops them by their id."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FailedStartError", "free_port", "running_process", "wait_until"]

_STOP_TIMEOUT = 5.0  # seconds between SIGTERM and SIGKILL
_BELOW_OUTGOING = range(10_000, 32_768)
"""Linux takes the ports of outgoing connections, and those that a program lets it choose, from above these."""
_given: set[int] = set()


class FailedStartError(Exception):
    """A program ended or did not respond; the message has the last lines of its output."""


def free_port() -> int:
    """Return a port of the loopback interface that is free, and that no connection takes until it is listened at.

    A process gets each port once.
    """
    while True:
        port = secrets.choice(_BELOW_OUTGOING)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


@contextmanager
def running_process(
    command: Sequence[str], *, core: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program on one core until the block ends; its output is written to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - programs of the benchmark
            ["taskset", "-c", str(core), *command],  # noqa: S607 - found by PATH
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT)
        process.kill()
        process.wait(_STOP_TIMEOUT)


def wait_until(is_ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, seconds: float) -> None:
    """Wait until `is_ready` returns True.

    Raises:
        FailedStartError: the process ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not is_ready():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            failure = f"ended with {process.returncode}" if ended else f"did not respond within {seconds:.0f} s"
            last_lines = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
            raise FailedStartError(f"{log.stem} {failure}\n{last_lines}")
        time.sleep(0.005)
