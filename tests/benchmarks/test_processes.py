"""Programs are waited for with a timeout, and stopped."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.processes import FailedStartError, free_port, running_process, wait_until

_CORE = min(os.sched_getaffinity(0))


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_program_runs_on_its_core_and_is_ended(tmp_path: Path) -> None:
    """A program has its core and environment, and is killed after the block if it ignores SIGTERM."""
    stubborn = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stubborn += "print(os.sched_getaffinity(0), os.environ['GIVEN'], flush=True); signal.pause()"
    log = tmp_path / "program.log"
    with running_process(program(stubborn), core=_CORE, log=log, environment={"GIVEN": "here"}) as process:
        wait_until(lambda: "here" in log.read_text(), process, log, 30)
        assert log.read_text() == f"{{{_CORE}}} here\n"
    assert process.returncode == -9


def test_the_error_of_a_program_that_ends_has_its_output(tmp_path: Path) -> None:
    """The error contains the last lines of the output."""
    log = tmp_path / "server.log"
    with (
        running_process(program("import sys; sys.exit('port taken')"), core=_CORE, log=log) as process,
        pytest.raises(FailedStartError, match=r"server ended with 1\nport taken"),
    ):
        wait_until(lambda: False, process, log, 30)


def test_a_program_that_does_not_respond_is_an_error(tmp_path: Path) -> None:
    """A program that is not ready after the timeout raises an error."""
    log = tmp_path / "server.log"
    with (
        running_process(program("import signal; signal.pause()"), core=_CORE, log=log) as process,
        pytest.raises(FailedStartError, match="did not respond within 0 s"),
    ):
        wait_until(lambda: False, process, log, 0.01)


def test_free_ports() -> None:
    """Each of a thousand calls returns another port."""
    assert len({free_port() for _ in range(1_000)}) == 1_000
