"""What the status page knows of the last ten minutes."""

import statistics
import time
from datetime import datetime
from random import Random

import pytest

from gateway.calls import CANCELLED
from gateway.errors import FailedCall, SourceUnavailable
from gateway.telemetry.durations import Durations
from gateway.telemetry.history import NOT_EXECUTED, OTHERS, UNNAMED, History
from gateway.telemetry.report import CallSummary, RequestReport


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at the start of an interval."""
    return Clock()


@pytest.fixture
def history(clock: Clock) -> History:
    """An empty history."""
    return History(clock)


def ended(**facts: object) -> RequestReport:
    """Return the report of an operation that has ended."""
    report = RequestReport("http", kind="query", operation="Users", caller="web", status=200, duration=0.1)
    for name, value in facts.items():
        setattr(report, name, value)
    return report


def test_quantiles() -> None:
    """A quantile differs from the exact one by at most 13 %."""
    random = Random(7)  # noqa: S311 - chance, no secret
    exact = [random.lognormvariate(-3, 1.2) for _ in range(5_000)]
    durations = Durations()
    for each in exact:
        durations.add(each)
    for share, expected in ((0.5, statistics.median(exact)), (0.95, statistics.quantiles(exact, n=20)[-1])):
        found = durations.quantile(share)
        assert found is not None
        assert abs(found / expected - 1) < 0.13
    assert durations.quantile(1) == pytest.approx(max(exact), rel=0.13)
    assert Durations().quantile(0.5) is None


def test_a_duration_beyond_all_sizes() -> None:
    """The longest duration is reported as it was, however long."""
    durations = Durations()
    durations.add(3600.0)
    assert durations.quantile(0.95) == 3600.0


def test_the_last_minute_and_the_last_ten(history: History, clock: Clock) -> None:
    """The last minute has the calls of the last seven intervals, and after ten minutes calls are forgotten."""
    for _ in range(60):
        history.call("account", "200", 0.1)
        clock.now += 10
    calls = history.calls_of("account").status()
    assert calls.last_minute.count == 6
    assert calls.last_minute.per_second == pytest.approx(0.1)
    assert calls.last_ten_minutes.count == 59
    assert len(calls.intervals) == 59
    clock.now += 600
    calls = history.calls_of("account").status()
    assert (calls.last_ten_minutes.count, calls.intervals) == (0, [])
    assert calls.last_minute.median_ms is None


def test_the_rate_of_a_source_that_was_not_called_for_long(history: History, clock: Clock) -> None:
    """The rate is that of the whole minute, also if the first call ever was a second ago."""
    clock.now += 3600
    history.call("account", "200", 0.1)
    clock.now += 1
    calls = history.calls_of("account").status()
    assert calls.last_minute.per_second == pytest.approx(1 / 61, abs=0.01)
    assert calls.last_ten_minutes.per_second == 0.0


def test_the_start_of_an_interval(history: History, clock: Clock) -> None:
    """An interval has the time at which it began, so that one reads from it since when a source is slow."""
    before = time.time()
    clock.now += 20
    history.call("account", "200", 0.1)
    [interval] = history.calls_of("account").status().intervals
    assert interval.start.endswith("Z")
    assert abs(datetime.fromisoformat(interval.start).timestamp() - before) < 5


@pytest.mark.parametrize("status", ["500", "503", "401", "402", "403", "429", "SOURCE_TIMEOUT", "SOURCE_UNAVAILABLE"])
def test_calls_that_failed(history: History, status: str) -> None:
    """An attempt fails by a 5xx, a refused credential, a used up limit or a lost connection."""
    history.call("account", status, 0.1)
    assert history.calls_of("account").status().last_minute.failed == 1


@pytest.mark.parametrize("status", ["200", "204", "304", "404", "409", "422"])
def test_calls_that_did_not_fail(history: History, status: str) -> None:
    """A user that does not exist, or a change that breaks a rule, is no failure of the source."""
    history.call("account", status, 0.1)
    assert history.calls_of("account").status().last_minute.failed == 0


def test_a_cancelled_call(history: History) -> None:
    """A call that was cancelled with its operation is not counted: it shows nothing of the source."""
    history.call("account", CANCELLED, 0.1)
    assert history.calls_of("account").status().last_minute.count == 0


def test_who_spends_the_budget(history: History) -> None:
    """Callers are listed by the calls that their operations caused, with those of each source."""
    for _ in range(3):
        history([ended(caller="export", summary=CallSummary({"account": 5, "reseller": 1}))])
    for _ in range(10):
        history([ended(caller="web", summary=CallSummary({"account": 1}))])
    history([ended(caller="web", codes=("RATE_LIMITED",))])
    first, second = history.callers()
    assert (first.caller, first.operations, first.calls) == ("export", 3, {"account": 15, "reseller": 3})
    assert (second.caller, second.operations, second.failed) == ("web", 11, 1)
    assert second.codes == {"RATE_LIMITED": 1}


def test_an_address_as_a_name(history: History) -> None:
    """The e-mail address that an issuer uses as the name of a caller is not kept."""
    history([ended(caller="ada@example.com")])
    [caller] = history.callers()
    assert "ada" not in caller.caller
    assert caller.caller.startswith("sha256:")


def test_failing_operations_come_first(history: History) -> None:
    """Operations are listed by how often they fail, and after those by how slow they are."""
    for _ in range(5):
        history([ended(operation="Slow", duration=2.0)])
        history([ended(operation="Fast", duration=0.01)])
        history([ended(operation="Broken", codes=("SOURCE_UNAVAILABLE", "BAD_USER_INPUT"))])
    assert [each.operation for each in history.operations()] == ["Broken", "Slow", "Fast"]
    broken = history.operations()[0]
    assert (broken.count, broken.failed) == (5, 5)
    assert broken.codes == {"SOURCE_UNAVAILABLE": 5, "BAD_USER_INPUT": 5}
    assert history.codes() == broken.codes


def test_what_clients_choose_is_bounded(history: History) -> None:
    """However many names clients invent, a minute has a bounded number of entries, and names are cut."""
    for number in range(5_000):
        history([ended(operation=f"Operation{number}" + "x" * 10_000, caller=f"caller{number}")])
    assert len(history.operations()) <= 20
    assert len(history.callers()) == 10
    assert history.callers()[0].caller == OTHERS
    assert max(len(each.operation) for each in history.operations()) <= 300
    assert history.requests.status().last_minute.count == 5_000


def test_names_of_unknown_callers(history: History) -> None:
    """The names in documents that are not executed are not kept: anybody may send them."""
    history([ended(operation="Invented", codes=("UNAUTHENTICATED",))])
    history([ended(operation="", kind="", codes=("GRAPHQL_PARSE_FAILED",))])
    history([ended(operation="")])
    assert {each.operation for each in history.operations()} == {NOT_EXECUTED, UNNAMED}


def test_what_is_no_operation(history: History) -> None:
    """Health checks, pictures and paths that do not exist are no operations."""
    history([ended(kind="", operation="", route="/healthz")])
    history([ended(kind="", operation="", route="", status=404)])
    assert history.requests.status().last_minute.count == 0
    assert history.callers() == []


def test_long_operations(history: History) -> None:
    """A subscription counts for its caller and its name, but its duration says nothing."""
    history([ended(kind="subscription", operation="Follow", duration=3_000.0)])
    assert history.requests.status().last_minute.count == 0
    [operation] = history.operations()
    assert (operation.count, operation.p95_ms) == (1, None)


def test_the_time_of_the_gateway(history: History) -> None:
    """The overhead is the time in which an operation did not wait for sources."""
    history([ended(duration=0.5, summary=CallSummary({"account": 1}, source_seconds=0.4))])
    assert history.overhead.status().last_minute.median_ms == pytest.approx(100, rel=0.13)
    assert history.requests.status().last_minute.median_ms == pytest.approx(500, rel=0.13)


def test_the_last_failure(history: History) -> None:
    """The last failure of a source has its code and its cause for operators."""
    failed = FailedCall("GET", "https://api.example/users/{id}", "connection refused", "check the port")
    history.call_failed("account", SourceUnavailable("The account source could not be reached.", failed_call=failed))
    failure = history.last_failure("account")
    assert failure is not None
    assert failure.code == "SOURCE_UNAVAILABLE"
    assert failure.cause == "GET https://api.example/users/{id}: connection refused; check the port"
    assert history.last_failure("reseller") is None


def test_the_lag_of_the_event_loop(history: History, clock: Clock) -> None:
    """The longest lag is kept for ten minutes, beside the last one."""
    history.loop_lag(0.5)
    clock.now += 300
    history.loop_lag(0.001)
    assert history.loop_lags() == (0.001, 0.5)
    clock.now += 301
    history.loop_lag(0.002)
    assert history.loop_lags() == (0.002, 0.002)
