"""The facts of one request, collected while it is handled, and reported when it has ended."""

import hashlib
import math
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, Protocol

import msgspec

from gateway.calls import CallKind, CallList, CallRecord
from gateway.errors import Code, FailedCall, GatewayError
from gateway.trace_context import TraceContext

__all__ = ["CLIENT_LEFT", "NO_CALLS", "OTHER", "PROBES", "CallSummary", "RequestReport", "Surface", "summarize"]

Surface = Literal["http", "websocket", "grpc", "connect", "python"]

CLIENT_LEFT = 499
"""The status of a request whose client disconnected before the end of the response, as nginx has it."""

OTHER = "other"
"""The label of operations whose names are chosen by clients: metrics must not have a series for each of those."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/status", "/favicon.ico"})
"""The routes that load balancers, monitoring and browsers request every few seconds."""

_MAX_CODES = 16  # of one request; there are no more codes in `gateway.errors`

_CALL, _BATCHED, _SHARED, _KEPT = CallKind.CALL, CallKind.BATCHED, CallKind.SHARED, CallKind.KEPT
_RETRY, _WAITED = CallKind.RETRY, CallKind.WAITED
_REQUESTS = frozenset({CallKind.CALL, CallKind.BATCHED, CallKind.RETRY, CallKind.HEDGE})


class CallSummary(msgspec.Struct, frozen=True):
    """The calls of one request in numbers.

    `requests` are those that were sent, by source; the others are counts of records of those kinds. `source_seconds` is
    the time in which at least one call, or the wait before one, was under way; `waited_seconds` that in which at least
    one call waited.
    """

    requests: dict[str, int] = {}
    batched: int = 0
    shared: int = 0
    kept: int = 0
    retries: int = 0
    source_seconds: float = 0.0
    waited_seconds: float = 0.0


NO_CALLS = CallSummary()
_ONE_KEPT = CallSummary(kept=1)


class Failure(Protocol):
    """An error, or a source that is missing from a result because of one."""

    @property
    def code(self) -> Code: ...

    @property
    def failed_call(self) -> FailedCall | None: ...


class RequestReport(msgspec.Struct):
    """The facts of one request.

    It is created where a request arrives, filled by whoever learns something, and passed to the sinks of `Telemetry`
    when the request has ended. It contains no variable, no literal of a document, and nothing of a response.

    `started` is a time of `time.perf_counter`, `duration` is in seconds. `trace` is the trace context that sources are
    sent, `trace_id` the id in it. `method`, `scheme` and `route` are those of HTTP; a route has placeholders for parts
    of the path. `operation` is the name that the client chose, or the method of gRPC, Connect or Python; `label` is the
    same where names are bounded, else `OTHER`. `kind` is query, mutation, subscription, unary, stream or method.
    `document` is the SHA-256 of a GraphQL document. `status` is the status of HTTP or the name of the gRPC code, which
    a call by Connect has beside `http_status`; `CLIENT_LEFT` where the client did not wait for the end. `codes` are
    those of all errors. `messages` is the number of responses on a stream, and `bytes` the size of the response without
    its head. `cause` describes the first call to a source that failed. `calls` records the calls, None if nothing
    records them.
    """

    surface: Surface = "http"
    request_id: str = ""
    started: float = msgspec.field(default_factory=time.perf_counter)
    trace: TraceContext | None = None
    trace_id: str = ""
    caller: str = ""
    client: str = ""
    client_version: str = ""
    method: str = ""
    scheme: str = ""
    route: str = ""
    operation: str = ""
    label: str = OTHER
    kind: str = ""
    document: str = ""
    status: int | str = 0
    http_status: int = 0
    codes: tuple[str, ...] = ()
    cause: str = ""
    messages: int = 0
    bytes: int = 0
    duration: float = 0.0
    calls: CallList | None = None
    summary: CallSummary = NO_CALLS
    span: Any = None

    def add_code(self, code: str) -> None:
        """Add the code of an error, once."""
        if code not in self.codes and len(self.codes) < _MAX_CODES:
            self.codes = (*self.codes, code)

    def add_failure(self, failure: Failure) -> None:
        """Add the code of a failure, and what operators should know of the first call that failed."""
        self.add_code(failure.code)
        if failure.failed_call is not None and not self.cause:
            self.cause = str(failure.failed_call)

    def add_error(self, error: Exception) -> None:
        """Add an error that ends the request, or a part of it."""
        if not isinstance(error, GatewayError):
            self.add_code(Code.INTERNAL)
            return
        self.add_failure(error)
        if error.retryable and error.origin.source is None and not self.cause:
            self.cause = error.message  # a limit of the gateway, or something else than a source that is not available

    @property
    def shown_caller(self) -> str:
        """The name of the caller; a pseudonym for an e-mail address, as some issuers have it."""
        return _pseudonym(self.caller) if "@" in self.caller else self.caller

    @property
    def overhead(self) -> float:
        """The seconds in which the request did not wait for sources."""
        seconds = self.duration - self.summary.source_seconds
        return seconds if seconds > 0.0 else 0.0  # noqa: FURB136 - CONTRIBUTING.md, "Speed"


def summarize(records: list[CallRecord], duration: float = math.inf) -> CallSummary:
    """Count the calls of a request that took so many seconds, and measure the time in which it waited for them.

    Calls may go on after its end: those of a client that left, if others wait for them.
    """
    if not records:
        return NO_CALLS
    first = records[0]
    if len(records) == 1 and first.kind is _CALL:  # most requests: without the sorting below
        return CallSummary({first.endpoint.source: 1}, source_seconds=min(first.duration, duration))
    if len(records) == 1 and first.kind is _KEPT:
        return _ONE_KEPT
    kinds = [record.kind for record in records]
    kept = kinds.count(_KEPT)
    if kept == len(kinds):  # the other frequent case: they took no time
        return CallSummary(kept=kept)
    requests: dict[str, int] = {}
    for record in records:
        if record.kind in _REQUESTS:
            requests[record.endpoint.source] = requests.get(record.endpoint.source, 0) + 1
    waits = [record for record in records if record.kind is _WAITED]
    return CallSummary(
        requests,
        kinds.count(_BATCHED),
        kinds.count(_SHARED),
        kept,
        kinds.count(_RETRY),
        _union(records, duration),
        _union(waits, duration) if waits else 0.0,
    )


def _union(records: Iterable[CallRecord], until: float) -> float:
    """Return the seconds that are covered by at least one record, until so many seconds after the start."""
    covered = end = 0.0
    for start, stop in sorted((record.start, min(record.start + record.duration, until)) for record in records):
        if stop > end:
            covered += stop - max(start, end)
            end = stop
    return covered


@lru_cache(256)
def _pseudonym(name: str) -> str:
    """Return a stable name for a caller whose name is an e-mail address, as the subjects of some issuers are."""
    return f"sha256:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"
