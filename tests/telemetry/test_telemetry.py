"""How the reports of requests reach the sinks."""

import asyncio

from gateway.calls import CallKind, Endpoint
from gateway.operation import current_operation, operation
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry


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
    report = RequestReport()
    telemetry.begin(report, {})
    assert report.calls is not None
    attempt = report.calls.begin(CallKind.CALL, Endpoint("account", "GET", "/users/{id}"))
    attempt.is_written = True
    attempt.end(200, 0.25)
    telemetry.end(report)
    await asyncio.sleep(0)
    assert passed[0].summary.requests == {"account": 1}
    assert passed[0].summary.source_seconds == 0.25
