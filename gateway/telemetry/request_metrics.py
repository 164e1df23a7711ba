"""Records the duration of each request in the metrics."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gateway.telemetry.histograms import Series
from gateway.telemetry.metrics import OTHER_VALUE, Metrics
from gateway.telemetry.report import CLIENT_LEFT, RequestReport, Surface

__all__ = ["RequestMetrics"]

_MAX_SERIES = 4096  # cached combinations: more than there are
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_SCHEMES = frozenset({"http", "https"})
_FIRST_FAILURE = 500  # a smaller status is a mistake of the client, which is no error of the server by the conventions
_GRPC_FAILURES = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_SERVICE = "usergateway.v1.UserService"
_RPC_NAMES = {"grpc": "grpc", "connect": "connectrpc"}
_NO_ERROR = "OK"
_LEFT = "CANCELLED"
_STREAMED = frozenset(
    {"subscription", "stream"}
)  # these wait for events: their duration says nothing about the gateway


class _Combination(NamedTuple):
    """What decides in which series a request is counted."""

    surface: Surface
    method: str
    scheme: str
    route: str
    status: int | str
    http_status: int
    label: str
    kind: str
    code: str


class _Counted(NamedTuple):
    """The series of requests that have the same labels: those of their durations, and that of the overhead if any."""

    durations: tuple[Series, ...]
    overhead: Series | None


class RequestMetrics:
    """A sink of `Telemetry` that observes the durations of requests, of operations, and the overhead.

    A request by HTTP is an operation as well if it has executed, or was refused as, one of GraphQL. A call by
    Connect is a request by HTTP and an RPC, unless its media type is not supported. An operation on a reserved event
    stream has no method: the request that started it is counted by itself. The labels of a request have
    values of a bounded set, whatever its client has sent.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._series = lru_cache(_MAX_SERIES)(self._find)

    def __call__(self, reports: Sequence[RequestReport]) -> None:
        for report in reports:
            codes = report.codes
            durations, overhead = self._series(
                report.surface,
                report.method,
                report.scheme,
                report.route,
                report.status,
                report.http_status,
                report.label,
                report.kind,
                codes[0] if codes else "",
            )
            exemplar = None if report.span is None else _exemplar(report)
            for each in durations:
                each.observe(report.duration, exemplar)
            if overhead is not None:
                overhead.observe(report.overhead)

    def _find(self, *combination: *tuple[Surface, str, str, str, int | str, int, str, str, str]) -> _Counted:
        of = _Combination(*combination)
        durations, overhead = [], None
        if of.surface in {"http", "connect"} and of.method:
            durations.append(self._metrics.http_requests.labels(*_http_labels(of)))
        if of.surface in _RPC_NAMES and (of.surface == "grpc" or of.kind):
            durations.append(self._metrics.rpcs.labels(*_rpc_labels(of)))
        if of.surface not in {"http", "connect"} or of.kind or of.code:
            code = of.code or (_LEFT if of.status in {CLIENT_LEFT, _LEFT} else _NO_ERROR)
            durations.append(self._metrics.operations.labels(of.surface, of.label, of.kind, code))
            if of.kind and of.kind not in _STREAMED:
                overhead = self._metrics.overhead.labels(of.surface, of.kind)
        return _Counted(tuple(durations), overhead)


def _exemplar(report: RequestReport) -> dict[str, str] | None:
    """Return the span of a request that is recorded: a duration leads to an example of a trace."""
    trace = report.trace
    return None if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}


def _rpc_labels(of: _Combination) -> tuple[str, str, str, str]:
    """Return the system, the method, the name of the code and the type of error of a call by gRPC or Connect."""
    status = _LEFT if of.status == CLIENT_LEFT else str(of.status)
    return _RPC_NAMES[of.surface], f"{_SERVICE}/{of.label}", status, status if status in _GRPC_FAILURES else ""


def _http_labels(of: _Combination) -> tuple[str, str, str, str, str]:
    """Return the method, the route, the status, the scheme and the type of error of a request by HTTP."""
    number = of.http_status or of.status
    status = str(number)
    return (
        of.method if of.method in _METHODS else OTHER_VALUE,
        of.route,
        status,
        of.scheme if of.scheme in _SCHEMES else OTHER_VALUE,
        status if isinstance(number, int) and number >= _FIRST_FAILURE else "",
    )
