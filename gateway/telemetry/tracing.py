"""Spans of requests, of deliveries of events and of work in the background, by OpenTelemetry's semantic conventions.

Whether a trace is recorded is decided once, where its first span in this process begins. The calls of an operation that
is not recorded make no spans; they are sent with a trace context that states that.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanKind,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from gateway.calls import current_calls
from gateway.errors import Code, GatewayError
from gateway.operation import operation
from gateway.telemetry.report import CLIENT_LEFT, PROBES, RequestReport
from gateway.telemetry.spans import fail, link_to, span_context, trace_context, unrecorded
from gateway.telemetry.traced_calls import TracedCalls
from gateway.trace_context import TraceContext

__all__ = ["Tracing"]

_SERVER_ERROR = 500
_GRPC_SERVICE = "usergateway.v1.UserService"
_TYPED_SERVICE = "gateway.Users"
_TYPED_KINDS = frozenset({"method", "stream"})
# Those that the conventions count as failures of a server; the others are the client's.
_GRPC_FAILURES = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_FAULTS = frozenset(
    {
        Code.INTERNAL,
        Code.SOURCE_CREDENTIALS,
        Code.SOURCE_INVALID_RESPONSE,
        Code.SOURCE_TIMEOUT,
        Code.SOURCE_UNAVAILABLE,
    }
)
"""The errors that are no fault of the caller. GraphQL has them in responses with the status 200."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})

Attributes = dict[str, AttributeValue]


class Tracing:
    """Begins and ends spans. The spans of requests are in their reports.

    With a `ratio`, that share of the traces that begin here is recorded, and of the others those that the caller
    records. Then `provider` records everything: its sampler takes more time than all else that an operation without
    spans needs. Without a ratio its sampler decides.
    """

    def __init__(self, provider: TracerProvider, version: str = "", *, ratio: float | None = None) -> None:
        self._tracer = provider.get_tracer("gateway", version)
        self._ratio = ratio

    def begin(self, report: RequestReport) -> None:
        """Begin the span of a request, below that of the caller or of the embedding program.

        The probes of load balancers and monitoring have none.
        """
        if report.route in PROBES:
            return
        kind = SpanKind.INTERNAL if report.surface == "python" else SpanKind.SERVER
        self._start(report, report.trace, kind)

    def begin_delivery(self, report: RequestReport, subscription: RequestReport) -> None:
        """Begin the span of an event that is executed for a subscription: a trace with a link to that of the latter.

        A subscription may last for days, which is too long for one trace.
        """
        self._start(report, None, SpanKind.CONSUMER, subscription.trace)

    def end(self, report: RequestReport) -> None:
        """End the span of a request."""
        if report.span is not None:
            _finish(report.span, _name(report), report)

    def end_delivery(self, report: RequestReport) -> None:
        """End the span of an event that was executed for a subscription."""
        if report.span is not None:
            _finish(report.span, f"deliver {report.operation or 'event'}", report)

    @contextmanager
    def publishing(self, source: str) -> Iterator[None]:
        """Make a span for writing an event to the event log, if the running operation is recorded."""
        calls = current_calls.get()
        if not isinstance(calls, TracedCalls):
            yield
            return
        span = calls.start_child("publish event", SpanKind.PRODUCER, {"gateway.source": source})
        try:
            yield
        finally:
            span.end()

    @contextmanager
    def background(self, name: str, attributes: Attributes) -> Iterator[None]:
        """Make a span for work that no request causes; it begins a trace. The calls inside are below it."""
        if not self._may_record(None):
            with operation(trace=unrecorded(None)):
                yield
            return
        span = self._tracer.start_span(name, Context(), SpanKind.INTERNAL, attributes)
        calls = TracedCalls.below(span, self._tracer) if span.is_recording() else None
        context = span.get_span_context()
        try:
            with operation(trace=trace_context(context) if context.is_valid else None, calls=calls):
                yield
        except Exception as error:
            if isinstance(error, GatewayError):
                fail(span, error.code, error.failed_call.cause if error.failed_call else "")
            else:
                fail(span, type(error).__name__)
            raise
        finally:
            span.end()

    def _may_record(self, sent: TraceContext | None) -> bool:
        """Return whether to record a request with this trace context, as far as that is decided here."""
        if self._ratio is None:
            return True
        return random.random() < self._ratio if sent is None else sent.is_sampled  # noqa: S311 - chance, no secret

    def _start(
        self, report: RequestReport, sent: TraceContext | None, kind: SpanKind, linked: TraceContext | None = None
    ) -> None:
        if not self._may_record(sent):
            report.trace = unrecorded(sent)
            report.trace_id = report.trace.trace_id
            return
        name = report.operation or report.route or report.surface
        span = self._tracer.start_span(name, _parent(sent), kind, None, link_to(linked))
        context = span.get_span_context()
        if context.is_valid:
            report.trace = trace_context(context)
            report.trace_id = report.trace.trace_id
        if span.is_recording():
            report.span = span
            report.calls = TracedCalls.below(span, self._tracer)


def _finish(span: Span, name: str, report: RequestReport) -> None:
    span.update_name(name)
    span.set_attributes(_attributes(report))
    if (failure := _failure(report)) is not None:
        fail(span, failure, report.cause)
    span.end()


def _parent(sent: TraceContext | None) -> Context:
    """Return the context of a request: the span of the embedding program around it, else the one that is sent."""
    current = get_current_span()
    if current.get_span_context().is_valid:
        return set_span_in_context(current, Context())
    return Context() if sent is None else set_span_in_context(NonRecordingSpan(span_context(sent)), Context())


def _name(report: RequestReport) -> str:
    if _rpc_name(report) is not None:
        return f"{_GRPC_SERVICE}/{report.operation}"
    if _is_typed(report):
        return f"{_TYPED_SERVICE}.{report.operation}"
    if report.kind:
        return f"{report.kind} {report.operation}" if report.operation else report.kind
    if not report.method:  # no HTTP request, and its document is not valid
        return "GraphQL Operation"
    method = report.method if report.method in _METHODS else "HTTP"
    return f"{method} {report.route}" if report.route else method


def _rpc_name(report: RequestReport) -> str | None:
    """Return how OpenTelemetry names the RPC protocol of a call of a method; None for another request."""
    if report.surface == "connect":
        return "connectrpc" if report.kind else None
    return "grpc" if report.surface == "grpc" else None


def _is_typed(report: RequestReport) -> bool:
    """Return whether it is a call of the typed service, which is no GraphQL although it is in Python."""
    return report.surface == "python" and report.kind in _TYPED_KINDS


def _attributes(report: RequestReport) -> Attributes:
    """Return the attributes of a request. Those of the gateway are left out where there is nothing to report."""
    summary = report.summary
    attributes: Attributes = {
        "gateway.surface": report.surface,
        "gateway.request.id": report.request_id,
        "gateway.calls": sum(summary.requests.values()),
    }
    if (rpc_name := _rpc_name(report)) is not None:
        attributes["rpc.system.name"] = rpc_name
        attributes["rpc.method"] = f"{_GRPC_SERVICE}/{report.operation}"
        attributes["rpc.response.status_code"] = str(report.status)
    elif _is_typed(report):
        attributes["code.function.name"] = f"{_TYPED_SERVICE}.{report.operation}"
    elif report.kind:
        attributes |= _graphql_attributes(report)
    if report.method:
        attributes |= _http_attributes(report)
    further: Attributes = {
        "gateway.calls.kept": summary.kept,
        "gateway.calls.retries": summary.retries,
        "gateway.caller": report.shown_caller,
        "gateway.client.name": report.client,
        "gateway.client.version": report.client_version,
        "gateway.client.left": report.status == CLIENT_LEFT,
        "gateway.error.codes": report.codes,
        "gateway.messages": report.messages,
    }
    return attributes | {name: value for name, value in further.items() if value}


def _graphql_attributes(report: RequestReport) -> Attributes:
    attributes: Attributes = {
        "graphql.operation.type": report.kind,
        "gateway.document.hash": f"sha256:{report.document}",
    }
    if report.operation:
        attributes["graphql.operation.name"] = report.operation
    return attributes


def _http_attributes(report: RequestReport) -> Attributes:
    """Return the attributes of an HTTP request. Its path is that of the route: another one may contain anything."""
    attributes: Attributes = {
        "http.request.method": report.method if report.method in _METHODS else "_OTHER",
        "url.scheme": report.scheme,
        "url.path": report.route,
        "http.response.body.size": report.bytes,
    }
    if report.route:
        attributes["http.route"] = report.route
    status = report.http_status or report.status
    if isinstance(status, int) and report.status != CLIENT_LEFT:
        attributes["http.response.status_code"] = status
    return attributes


def _failure(report: RequestReport) -> str | None:
    """Return why a request failed, None unless the gateway or a source failed: what clients do wrong is no failure."""
    status = report.status
    if status == CLIENT_LEFT:
        return None
    for code in report.codes:
        if code in _FAULTS:
            return code
    if isinstance(status, str):
        return status if status in _GRPC_FAILURES else None
    return str(status) if status >= _SERVER_ERROR else None
