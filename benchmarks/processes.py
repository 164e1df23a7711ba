"""Programs of the benchmark: started on a core of their own, waited for with a limit, ended by their own id."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FailedStartError", "free_port", "running", "wait_until"]

_STOP = 5.0  # seconds from asking to ending


class FailedStartError(Exception):
    """A program that ended, or did not answer, with the last lines that it wrote."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], *, core: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program on one core; what it writes goes to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - the benchmark's own programs
            ["taskset", "-c", str(core), *command],  # noqa: S607 - wherever this system has it
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
            process.wait(_STOP)
        process.kill()
        process.wait(_STOP)


def wait_until(answers: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, seconds: float) -> None:
    """Until it answers.

    Raises:
        FailedStartError: it ended, or the seconds went by.
    """
    until = time.monotonic() + seconds
    while not answers():
        ended = process.poll() is not None
        if ended or time.monotonic() > until:
            how = f"ended with {process.returncode}" if ended else f"did not answer within {seconds:.0f} s"
            last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
            raise FailedStartError(f"{log.stem} {how}\n{last}")
        time.sleep(0.005)
