"""How the reports of requests reach the sinks."""

import asyncio
import time

from gateway.calls import CallKind, CallList, Endpoint
from gateway.operation import current_operation, operation
from gateway.telemetry.report import CLIENT_LEFT, RequestReport, summarize
from gateway.telemetry.telemetry import Telemetry

USER = Endpoint("account", "GET", "/users/{id}")


async def test_requests_are_passed_in_the_next_iteration() -> None:
    """The requests that end in one iteration of the event loop are passed in the next one, in their order."""
    passed: list[str] = []
    telemetry = Telemetry([lambda reports: passed.extend(report.request_id for report in reports)])
    for name in ("first", "second"):
        report = RequestReport(request_id=name)
        telemetry.begin(report, {})
        telemetry.end(report)
    assert passed == []
    await asyncio.sleep(0)
    assert passed == ["first", "second"]
    telemetry.flush()
    assert len(passed) == 2


async def test_an_embedding_programs_operation_is_passed_at_once() -> None:
    """The metrics of a program that embeds the gateway have its operation as soon as it has the result."""
    passed: list[RequestReport] = []
    telemetry = Telemetry([passed.extend])
    with telemetry.reporting(RequestReport("python"), {}):
        assert passed == []
    assert len(passed) == 1


async def test_sinks_run_outside_of_operations() -> None:
    """What a sink logs has not the ids of an operation that happens to have ended just before."""
    running: list[object] = []
    telemetry = Telemetry([lambda _: running.append(current_operation.get())])
    with operation(request_id="first"):
        for _ in range(2):
            report = RequestReport()
            telemetry.begin(report, {})
            telemetry.end(report)
        await asyncio.sleep(0)
    assert running == [None]


async def test_a_report_has_the_calls_until_its_end() -> None:
    """The summary of a report has the requests that ended, by source, and the time in which they were under way."""
    passed: list[RequestReport] = []
    telemetry = Telemetry([passed.extend])
    now = [0.0]
    report = RequestReport(started=time.perf_counter() - 1, calls=CallList(lambda: now[0], 0.0))
    telemetry.begin(report, {})
    assert report.calls is not None
    attempt = report.calls.begin(CallKind.CALL, USER)
    attempt.is_written = True
    now[0] = 0.25
    attempt.on_end(attempt, 200, 0.25)
    telemetry.end(report)
    await asyncio.sleep(0)
    assert passed[0].summary.requests == {"account": 1}
    assert passed[0].summary.source_seconds == 0.25


async def test_calls_that_go_on_after_the_client_left() -> None:
    """A report is passed when the calls that others wait for have ended; it has these calls, and ends earlier."""
    passed: list[RequestReport] = []
    telemetry = Telemetry([passed.extend])
    report = RequestReport(status=CLIENT_LEFT)
    telemetry.begin(report, {})
    assert report.calls is not None
    rest = asyncio.get_running_loop().create_future()
    report.calls.leave(rest)
    telemetry.end(report)
    assert telemetry.active["http"] == 0
    for _ in range(30):
        await asyncio.sleep(0)
    assert passed == []
    report.calls.add(CallKind.CALL, USER, 200, 30.0)
    rest.set_result(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert passed[0].summary.requests == {"account": 1}
    assert passed[0].summary.source_seconds <= passed[0].duration


async def test_calls_that_go_on_when_the_process_stops() -> None:
    """Reports whose calls still go on are passed at the end, once."""
    passed: list[RequestReport] = []
    telemetry = Telemetry([passed.extend])
    report = RequestReport(status=CLIENT_LEFT)
    telemetry.begin(report, {})
    assert report.calls is not None
    report.calls.leave(asyncio.get_running_loop().create_future())
    telemetry.end(report)
    telemetry.close()
    assert len(passed) == 1
    await asyncio.sleep(0.01)
    assert len(passed) == 1


def test_waits_at_the_same_time_are_counted_once() -> None:
    """Calls that wait together have waited as long as one of them; what began before the request is not counted."""
    now = [0.0]
    calls = CallList(lambda: now[0], 0.0)
    now[0] = 2.0
    for _ in range(3):
        calls.add(CallKind.WAITED, USER, None, 1.0)
    calls.add(CallKind.SHARED, USER, 200, 60.0)
    summary = summarize(calls.records, 2.0)
    assert (summary.waited_seconds, summary.source_seconds) == (1.0, 2.0)
