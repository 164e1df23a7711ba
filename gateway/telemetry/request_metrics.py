"""Records the duration of each request in the metrics."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

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


class _Observe(Protocol):
    """Records a duration, and in which span it was measured."""

    def __call__(self, amount: float, exemplar: dict[str, str] | None = None) -> None: ...


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


class _Series(NamedTuple):
    """The series of requests that have the same labels, each None where such requests do not count."""

    request: _Observe | None
    rpc: _Observe | None
    operation: _Observe | None
    overhead: _Observe | None


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
            self._observe(report)

    def _observe(self, report: RequestReport) -> None:
        codes = report.codes
        request, rpc, operation, overhead = self._series(
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
        if request is not None:
            request(report.duration, exemplar)
        if rpc is not None:
            rpc(report.duration, exemplar)
        if operation is not None:
            operation(report.duration, exemplar)
        if overhead is not None:
            overhead(report.overhead)

    def _find(self, *combination: *tuple[Surface, str, str, str, int | str, int, str, str, str]) -> _Series:
        of = _Combination(*combination)
        request = rpc = operation = overhead = None
        if of.surface in {"http", "connect"} and of.method:
            request = self._metrics.http_requests.labels(*_http_labels(of)).observe
        if of.surface in _RPC_NAMES and (of.surface == "grpc" or of.kind):
            rpc = self._metrics.rpcs.labels(*_rpc_labels(of)).observe
        if of.surface not in {"http", "connect"} or of.kind or of.code:
            code = of.code or (_LEFT if of.status in {CLIENT_LEFT, _LEFT} else _NO_ERROR)
            operation = self._metrics.operations.labels(of.surface, of.label, of.kind, code).observe
            if of.kind and of.kind not in _STREAMED:
                overhead = self._metrics.overhead.labels(of.surface, of.kind).observe
        return _Series(request, rpc, operation, overhead)


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
