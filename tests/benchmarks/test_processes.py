"""Programs are waited for with a limit, and ended."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.processes import FailedStartError, free_port, running, wait_until

_CORE = min(os.sched_getaffinity(0))


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_program_runs_on_its_core_and_is_ended(tmp_path: Path) -> None:
    """It gets its core and its environment, and is gone after the block, also when it does not listen."""
    stubborn = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stubborn += "print(os.sched_getaffinity(0), os.environ['GIVEN'], flush=True); signal.pause()"
    log = tmp_path / "program.log"
    with running(program(stubborn), core=_CORE, log=log, environment={"GIVEN": "here"}) as process:
        wait_until(lambda: "here" in log.read_text(), process, log, 30)
        assert log.read_text() == f"{{{_CORE}}} here\n"
    assert process.returncode == -9


def test_a_program_that_ends_says_why(tmp_path: Path) -> None:
    """What it wrote last is in the error, so that nobody has to look for a log."""
    log = tmp_path / "server.log"
    with (
        running(program("import sys; sys.exit('port taken')"), core=_CORE, log=log) as process,
        pytest.raises(FailedStartError, match=r"server ended with 1\nport taken"),
    ):
        wait_until(lambda: False, process, log, 30)


def test_a_program_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    """Waiting has an end."""
    log = tmp_path / "server.log"
    with (
        running(program("import signal; signal.pause()"), core=_CORE, log=log) as process,
        pytest.raises(FailedStartError, match="did not answer within 0 s"),
    ):
        wait_until(lambda: False, process, log, 0.01)


def test_free_ports() -> None:
    """A port that can be listened on, another each time."""
    assert free_port() != free_port()
