"""Begins and ends the report of each request, and passes it on to what operators see."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context
from functools import lru_cache
from typing import get_args

from gateway.calls import CallList
from gateway.kit.shaped_headers import ShapedHeaders
from gateway.operation import current_gateway, request_id
from gateway.telemetry.report import CLIENT_LEFT, RequestReport, Surface, summarize
from gateway.telemetry.tracing import Tracing
from gateway.trace_context import TraceContext

__all__ = ["CLIENT_HEADERS", "Sink", "Telemetry"]

Sink = Callable[[Sequence[RequestReport]], None]
"""Receives the reports of requests that have ended, in this order. It must not raise."""

_EXECUTED, _DEFECT = 200, 500  # as a response by HTTP would have
_BETWEEN_FLUSHES = 0.01  # seconds
_LEFT = frozenset({CLIENT_LEFT, "CANCELLED"})
# An `@` may only begin it, as in the name of a package (`@acme/shop`): this is nobody's address.
_CLIENT = re.compile(r"(?=.{1,64}$)@?[A-Za-z0-9][A-Za-z0-9 ._:/()+-]*")
_CLIENT_NAMES = (
    ("apollographql-client-name", "apollographql-client-version"),
    ("graphql-client-name", "graphql-client-version"),
    ("x-graphql-client-name", "x-graphql-client-version"),
)

CLIENT_HEADERS = frozenset(header for pair in _CLIENT_NAMES for header in pair)
"""The headers by which frontends name themselves and their version."""

_REPORTED_HEADERS = CLIENT_HEADERS | {"x-request-id", "traceparent"}


class Telemetry:
    """Passes the reports of requests to `sinks`: at once, in the next iteration of the event loop, or under load later.

    Requests that end within some milliseconds are passed together: the code of a sink that runs for each of them in
    turn takes half of the time that it takes between other work, since it stays in the processor's caches.

    The report of a client that left is passed on when its calls have ended, which may go on: a change is completed, and
    others may wait for a call.

    `gateway` stands for the gateway whose requests these are. Without any sink, calls are not recorded. With `tracing`,
    requests are spans as well.
    """

    def __init__(self, sinks: Sequence[Sink] = (), gateway: object = None) -> None:
        self._sinks = tuple(sinks)
        self._gateway = gateway
        self._ended: list[RequestReport] = []
        self._next_flush = 0.0  # by `time.perf_counter`
        self._unfinished: dict[asyncio.Task[None], RequestReport] = {}
        self._context = Context()  # with nothing else: what the sinks log belongs to no running operation
        self._context.run(current_gateway.set, gateway)
        self.active: dict[Surface, int] = dict.fromkeys(get_args(Surface), 0)  # requests and operations under way
        self.tracing: Tracing | None = None

    def begin(self, report: RequestReport, headers: Mapping[str, str]) -> None:
        """Fill in what the headers of a request contain: its id unless it has one, its trace, the client."""
        current_gateway.set(self._gateway)  # not reset: the task ends with the request, or begins the next one
        self.active[report.surface] += 1
        if isinstance(headers, ShapedHeaders):
            reported = headers.shape.among(_REPORTED_HEADERS)
        else:
            reported = _REPORTED_HEADERS.intersection(headers)
        if not report.request_id:
            report.request_id = request_id(headers.get("x-request-id") if "x-request-id" in reported else None)
        if "traceparent" in reported and (trace := TraceContext.of(headers)) is not None:
            report.trace, report.trace_id = trace, trace.trace_id
        if not reported.isdisjoint(CLIENT_HEADERS):
            _fill_client(report, headers)
        if self.tracing is not None:
            self.tracing.begin(report)
        if report.calls is None and self._sinks:
            report.calls = CallList()

    def reporting(self, report: RequestReport, headers: Mapping[str, str]) -> "_Reporting":
        """Begin the report of an operation that is no request by itself, and end it with the `with` block."""
        self.begin(report, headers)
        return _Reporting(self, report)

    def end(self, report: RequestReport) -> None:
        """Report a request that has ended."""
        self.active[report.surface] -= 1
        if not self._sinks and report.span is None:
            return
        report.duration = time.perf_counter() - report.started
        if report.span is not None and self.tracing is not None:
            _summarize(report)
            self.tracing.end(report)
        if not self._sinks:
            return
        calls = report.calls
        if calls is not None and (report.status in _LEFT or (calls.left and calls.goes_on)):
            task = asyncio.get_running_loop().create_task(self._finish(report, calls), context=self._context)
            self._unfinished[task] = report
        else:
            self._ended.append(report)
            if report.surface == "python":  # the embedding program may read the metrics as soon as it has the result
                self.flush()
            elif len(self._ended) == 1:
                loop, wait = asyncio.get_running_loop(), self._next_flush - report.started - report.duration
                if wait > 0:
                    loop.call_later(wait, self.flush, context=self._context)
                else:
                    loop.call_soon(self.flush, context=self._context)

    def flush(self) -> None:
        """Pass the requests that have ended to the sinks. Whoever shows what the sinks have counted calls it before."""
        self._next_flush = time.perf_counter() + _BETWEEN_FLUSHES
        ended, self._ended = self._ended, []
        for report in ended:
            if report.span is None:
                _summarize(report)
        self._pass_on(ended)

    def close(self) -> None:
        """Pass all requests that have ended to the sinks, also those whose calls go on."""
        self.flush()
        unfinished, self._unfinished = self._unfinished, {}
        for task, report in unfinished.items():
            task.cancel()
            _summarize(report)
        self._pass_on([*unfinished.values()])

    async def _finish(self, report: RequestReport, calls: CallList) -> None:
        """Pass a request on whose calls may go on after its end, when these have ended too."""
        task = asyncio.current_task()
        await calls.finish()
        if task is not None and self._unfinished.pop(task, None) is not None:
            _summarize(report)
            self._pass_on([report])

    def _pass_on(self, ended: Sequence[RequestReport]) -> None:
        for sink in self._sinks:
            sink(ended)

    def publishing(self, source: str) -> AbstractContextManager[None]:
        """Return the context in which the event of a change is written to the event log."""
        if self.tracing is None:
            return nullcontext()
        return self.tracing.publishing(source)

    def polling(self, source: str) -> AbstractContextManager[None]:
        """Return the context of one round of polling a source."""
        if self.tracing is None:
            return nullcontext()
        return self.tracing.background(f"poll {source}", {"gateway.source": source})

    def reading_again(self, source: str) -> AbstractContextManager[None]:
        """Return the context of a read in the background of what was given past its lifetime."""
        if self.tracing is None:
            return nullcontext()
        return self.tracing.background(f"read {source} again", {"gateway.source": source})

    @contextmanager
    def delivering(self, subscription: RequestReport) -> Iterator[RequestReport]:
        """Make a report for an event that is executed for a subscription, and for others that share the response.

        It is passed to no sink: the responses are counted in the reports of the subscriptions.
        """
        report = RequestReport(
            subscription.surface,
            subscription.request_id,
            trace=subscription.trace,
            trace_id=subscription.trace_id,
            operation=subscription.operation,
            kind=subscription.kind,
            document=subscription.document,
        )
        if self.tracing is None:
            yield report
            return
        self.tracing.begin_delivery(report, subscription)
        try:
            yield report
        finally:
            if report.calls is not None:
                report.summary = summarize(report.calls.records)
            self.tracing.end_delivery(report)


class _Reporting:
    """Ends a report at the end of a block. A generator takes more memory, and there are thousands of subscriptions."""

    __slots__ = ("_report", "_telemetry")

    def __init__(self, telemetry: Telemetry, report: RequestReport) -> None:
        self._telemetry = telemetry
        self._report = report

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        report = self._report
        if isinstance(error, Exception):
            report.add_error(error)
            report.status = _DEFECT
        elif kind is not None and not report.status:  # the client has disconnected, or stopped the operation
            report.status = CLIENT_LEFT
        report.status = report.status or _EXECUTED
        self._telemetry.end(report)


def _fill_client(report: RequestReport, headers: Mapping[str, str]) -> None:
    """Fill in the name and the version of the client."""
    get = headers.get
    for name, version in _CLIENT_NAMES:
        if (client := get(name)) is not None:
            report.client, report.client_version = _plain(client), _plain(get(version, ""))
            break


def _summarize(report: RequestReport) -> None:
    calls = report.calls
    if calls is not None and (records := calls.records if calls.under_way else calls.ended):
        report.summary = summarize(records, report.duration)


@lru_cache(256)
def _plain(name: str) -> str:
    """Return the name or version of a client if it looks like one, else an empty text."""
    return name if _CLIENT.fullmatch(name) else ""
