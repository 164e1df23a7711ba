"""States are logged when they begin and when they are over."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.errors import FailedCall
from gateway.telemetry.state_changes import StateChanges, StateKind

FAILED = FailedCall("GET", "https://api.example/users/{id}", "status 503", "wait")
SOURCE = "the account source"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states(clock: Clock, caplog: pytest.LogCaptureFixture) -> StateChanges:
    caplog.set_level(logging.INFO, "gateway.states")
    return StateChanges(clock=clock)


def logged(caplog: pytest.LogCaptureFixture) -> list[Any]:
    found: list[Any] = list(caplog.records)
    caplog.clear()
    return found


def test_once(states: StateChanges, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A state is a WARNING with its cause when it begins, and an INFO with its duration when it is over."""
    for _ in range(5):
        states.begin(StateKind.CALLS_FAIL, "account", SOURCE, failed_call=FAILED)
    (begun,) = logged(caplog)
    assert (begun.levelname, begun.state, begun.change, begun.source) == ("WARNING", "calls_fail", "begun", "account")
    assert (begun.cause, begun.url, begun.advice) == ("status 503", "GET https://api.example/users/{id}", "wait")
    (active,) = states.active()
    assert (active.kind, active.source, active.count, states.active_count) == (StateKind.CALLS_FAIL, "account", 5, 1)
    clock.now += 12.5
    states.end(StateKind.CALLS_FAIL, "reseller", "the reseller source")
    states.end(StateKind.CALLS_FAIL, "account", SOURCE)
    states.end(StateKind.CALLS_FAIL, "account", SOURCE)
    (over,) = logged(caplog)
    assert (over.levelname, over.change, over.seconds, over.count) == ("INFO", "over", 12.5, 5)
    assert (states.active(), states.active_count) == ([], 0)


def test_flapping(states: StateChanges, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """What fails by turns is not logged each time."""
    for _ in range(1_000):
        states.begin(StateKind.RESPONSES_INVALID, "account", SOURCE)
        clock.now += 0.1
        states.end(StateKind.RESPONSES_INVALID, "account", SOURCE)
        clock.now += 0.1
    assert len(logged(caplog)) == 3
    clock.now += 10
    states.end(StateKind.RESPONSES_INVALID, "account", SOURCE)
    assert [record.change for record in logged(caplog)] == ["over"]


def test_a_circuit(states: StateChanges, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Each opening and closing of a circuit is logged, since it is reported once."""
    for _ in range(3):
        states.begin(StateKind.CIRCUIT_OPEN, "account", SOURCE)
        states.end(StateKind.CIRCUIT_OPEN, "account", SOURCE)
    assert [record.change for record in logged(caplog)] == ["begun", "over"] * 3


def test_details(states: StateChanges, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A state of several endpoints is over when each of them works, or when those that do not are not called."""
    kind = StateKind.CREDENTIALS_REFUSED
    for endpoint in ("a", "b"):
        states.begin(kind, "account", SOURCE, detail=endpoint)
    states.end(kind, "account", SOURCE, detail="a")
    states.end(kind, "account", SOURCE, detail="c")
    assert states.active_count == 1
    states.end(kind, "account", SOURCE, detail="b")
    assert [record.change for record in logged(caplog)] == ["begun", "over"]
    clock.now += 1_000
    states.begin(kind, "account", SOURCE, detail="a")
    clock.now += 61
    states.end(kind, "account", SOURCE, detail="c")
    assert [record.change for record in logged(caplog)] == ["begun", "over"]


async def test_quiet(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A state whose end nothing shows is over after some time without an occurrence."""
    caplog.set_level(logging.INFO, "gateway.states")
    states = StateChanges(quiet={StateKind.OUT_OF_BUDGET: 0.05}, clock=clock)
    for _ in range(4):
        states.begin(StateKind.OUT_OF_BUDGET, "account", SOURCE)
        states.end(StateKind.OUT_OF_BUDGET, "account", SOURCE)
        clock.now += 0.04
        await asyncio.sleep(0.06)  # the timer fires, and finds that it is too early
    assert [record.change for record in logged(caplog)] == ["begun"]
    clock.now += 0.02
    async with asyncio.timeout(30):
        while states.active_count:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.005)
    assert [record.change for record in logged(caplog)] == ["over"]
    states.close()
