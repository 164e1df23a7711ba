"""Fixtures for tests of the settings: the command line in this process, with an environment of its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gateway.cli import main


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Completed]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of this process without variables of the gateway."""
    _clean(monkeypatch)
    return monkeypatch


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs `gateway …` to its end, with these variables alone of those that begin with `GATEWAY_`."""

    def completed(*arguments: str, **environment: str) -> Completed:
        _clean(monkeypatch)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_info:
            main(arguments)
        code = exit_info.value.code
        assert isinstance(code, int)
        return Completed(code, *capsys.readouterr())

    return completed


def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_CONFIG", "")  # `--config` sets it; so it is restored after the test
