"""The calls to sources as spans, by the semantic conventions of HTTP clients.

A span of a call has no id, no query and no credential: its URL ends in the template of the path.
"""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from gateway.calls import CANCELLED, Attempt, CallKind, CallList, Endpoint, WaitReason
from gateway.operation import current_deadline
from gateway.telemetry.spans import fail, link_to, trace_context
from gateway.trace_context import TraceContext

__all__ = ["TracedCalls"]

_FAILED = 400
_TIMEOUT = "timeout"
_NANOSECONDS = 1_000_000_000
_PORTS = {"http": 80, "https": 443}
_WAITS = {WaitReason.PACING: "wait for the rate limit", WaitReason.BACKOFF: "wait before a retry"}


class _Server(NamedTuple):
    """Where a call goes: `base_url` is the URL without the path of the endpoint, a user and a password."""

    base_url: str
    host: str
    port: int


class _TracedAttempt(Attempt, eq=False, kw_only=True):
    """An attempt with its span."""

    span: Span


class TracedCalls(CallList, eq=False, kw_only=True):
    """The calls of an operation, each attempt of which is a client span below the span of the operation.

    The responses that were shared with other operations, and the waits before attempts, are spans as well; records
    from a cache are not. Create one only for a span that is recorded.
    """

    tracer: Tracer
    parent: Context

    @classmethod
    def below(cls, span: Span, tracer: Tracer) -> Self:
        """Create the list for the operation of a span."""
        return cls(tracer=tracer, parent=set_span_in_context(span, Context()))

    def add(
        self,
        kind: CallKind,
        endpoint: Endpoint,
        status: int | str | None,
        seconds: float,
        *,
        leader: TraceContext | None = None,
        reason: WaitReason | None = None,
    ) -> None:
        super().add(kind, endpoint, status, seconds)
        if kind is CallKind.SHARED:
            name = f"join {endpoint.method} {endpoint.template}"
            self._add_span(name, kind, endpoint, seconds, status=status, leader=leader)
        elif kind is CallKind.WAITED and reason is not None:
            self._add_span(_WAITS[reason], kind, endpoint, seconds)

    def begin(self, kind: CallKind, endpoint: Endpoint, *, base_url: str = "", resends: int = 0) -> Attempt:
        server = _server(base_url)
        attributes: dict[str, str | int] = {
            "http.request.method": endpoint.method,
            "url.full": server.base_url + endpoint.template,
            "url.template": endpoint.template,
            "server.address": server.host,
            "server.port": server.port,
            "gateway.source": endpoint.source,
            "gateway.call.kind": kind.value,
        }
        if resends:
            attributes["http.request.resend_count"] = resends
        name = f"{endpoint.method} {endpoint.template}"
        span = self.tracer.start_span(name, self.parent, SpanKind.CLIENT, attributes)
        trace = trace_context(span.get_span_context())
        attempt = _TracedAttempt(kind, endpoint, self.clock(), self._end, trace, span=span)
        self.under_way.append(attempt)
        return attempt

    def start_child(self, name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue]) -> Span:
        """Start a span below that of the operation, for something else than a call."""
        return self.tracer.start_span(name, self.parent, kind, attributes)

    def _end(self, attempt: Attempt, status: int | str, seconds: float) -> None:
        super()._end(attempt, status, seconds)
        if isinstance(attempt, _TracedAttempt):
            _finish(attempt.span, status, attempt.cause)
            attempt.span.end()

    def _add_span(
        self,
        name: str,
        kind: CallKind,
        endpoint: Endpoint,
        seconds: float,
        *,
        status: int | str | None = None,
        leader: TraceContext | None = None,
    ) -> None:
        """Add a span of something that has ended now."""
        ended = time.time_ns()
        span = self.tracer.start_span(
            name,
            self.parent,
            SpanKind.INTERNAL,
            {"gateway.source": endpoint.source, "gateway.call.kind": kind.value},
            link_to(leader),
            ended - int(seconds * _NANOSECONDS),
        )
        if status is not None:
            _finish(span, status)
        span.end(ended)


def _finish(span: Span, status: int | str, cause: str = "") -> None:
    """Set the status of a call. A call that nobody waits for any more has not failed, one that took too long has."""
    if isinstance(status, int):
        span.set_attribute("http.response.status_code", status)
        if status >= _FAILED:
            fail(span, str(status))
    elif status != CANCELLED:
        fail(span, status, cause)
    elif (deadline := current_deadline.get()) is not None and deadline.expired:
        fail(span, _TIMEOUT)
    else:
        span.set_attribute("gateway.call.cancelled", True)


@lru_cache(maxsize=256)
def _server(base_url: str) -> _Server:
    """Split the base URL of a source, which may have a path. The hosts of pictures have base URLs, too."""
    parts = urlsplit(base_url)
    address = parts.netloc.rpartition("@")[2]
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return _Server(f"{parts.scheme}://{address}{parts.path}", parts.hostname or "", port)
