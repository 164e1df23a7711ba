"""One call: the metadata of its client, its caller, its loaders, and the trailers of its response."""

import time
from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import unquote

import msgspec
from google.rpc import status_pb2

from gateway.api.capacity import ratelimit_headers
from gateway.api.grpc.errors import partial_errors, status_of
from gateway.api.grpc.messages import stale_message
from gateway.api.web.http import Headers
from gateway.callers.connection import Connection
from gateway.freshness import Freshness, FreshnessReport
from gateway.kit.rate_limit import Allowance
from gateway.principal import ANYONE, Principal
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry
from gateway.users.kept.stale_data import stale_data
from gateway.users.loaders import Loaders
from gateway.users.unavailable import Unavailable
from usergateway.v1 import users_pb2

__all__ = ["FRESHNESS", "PARTIAL_ERRORS", "Call", "CallContext"]

PARTIAL_ERRORS = "usergateway-partial-errors-bin"
FRESHNESS = "usergateway-freshness-bin"

# Clients accept 8 KiB of metadata, in which binary values are a third longer.
_MAX_PARTIAL_ERROR_BYTES = 4096
_MAX_BINARY_BYTES = 5120
_RESPONSE_TIME = 0.05  # seconds before the client's deadline, to send the response in time


class CallContext:
    """The context of grpcio for the embedding program, as long as the call is open.

    After the end of a call, the methods of a context that describe its connection crash the process (grpcio 1.85).
    """

    __slots__ = ("_context",)

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        context = self._context
        if context is None:
            raise RuntimeError("the gRPC call has ended: read what you need of its context while it is open")
        return getattr(context, name)

    def close(self) -> None:
        """Let go of the context: the call ends."""
        self._context = None


# One is created for each call: a dataclass would take several times as long.
class Call(msgspec.Struct, eq=False):
    """One call: what the client sent in addition to the request, and the trailers of the response.

    `connection` is what the caller is authenticated by. `timeout` is the time until the deadline of the client when the
    call arrived, in seconds; None without a deadline. `freshness` has the directives of the metadata `cache-control`;
    it is filled during the call, as is `report`. `is_counted`: it is counted as open.
    """

    method: str
    request_id: str
    timeout: float | None = None
    connection: Connection = msgspec.field(default_factory=lambda: Connection("grpc", {}))
    principal: Principal = ANYONE
    trailers: list[tuple[str, str | bytes]] = []
    report: RequestReport = msgspec.field(default_factory=lambda: RequestReport("grpc"))
    freshness: FreshnessReport = msgspec.field(default_factory=FreshnessReport)
    is_counted: bool = False
    _loaders: list[Loaders] = []

    @classmethod
    def of_grpc(cls, method: str, context: Any, telemetry: Telemetry) -> Self:
        """Return the call of a context of grpcio that has just begun, and begin its report."""
        report = RequestReport("grpc", operation=method, label=method)
        # Those of one name are joined as in HTTP, which splits cookies into fields. Two credentials are none.
        fields = context.invocation_metadata() or ()
        metadata = Headers([(name, value) for name, value in fields if isinstance(value, str)])
        telemetry.begin(report, metadata)
        connection = Connection("grpc", metadata, None, _peer_address(context.peer()), CallContext(context))
        freshness = FreshnessReport(Freshness.parse(metadata.get("cache-control")))
        return cls(method, report.request_id, context.time_remaining(), connection, report=report, freshness=freshness)

    def track(self, loaders: Loaders) -> Loaders:
        """Return the loaders, to be closed when the call ends: a client that disconnects stops their lookups."""
        self._loaders.append(loaders)
        return loaders

    def close(self) -> None:
        """Close the tracked loaders, and the context for the embedding program."""
        if self.connection.surface == "grpc" and self.connection.request is not None:
            self.connection.request.close()
        for loaders in self._loaders:
            loaders.close()

    def seconds_to_execute(self, maximum: float) -> float:
        """Return the time for the operation: the client's, less the time for the response, and at most `maximum`."""
        if self.timeout is None:
            return maximum
        return min(maximum, self.timeout - min(_RESPONSE_TIME, self.timeout * 0.05))

    def add_allowance(self, allowance: Allowance) -> None:
        """Add the allowance to the trailers, by the header names of HTTP. `Retry-After` is in RetryInfo instead."""
        headers = ((name.lower(), value) for name, value in ratelimit_headers(allowance))
        self.trailers += [(name, value) for name, value in headers if name != "retry-after"]

    def mark_replayed(self) -> None:
        """Add the trailer of a change whose result was stored under the same request_id."""
        self.trailers.append(("idempotency-replayed", "true"))

    def report_missing(self, sources: Iterable[Unavailable]) -> None:
        """Report the sources that are missing from a response, which are no errors of the call."""
        for source in sources:
            self.report.add_failure(source)

    def partial_errors(self, failures: Iterable[tuple[str, Exception]]) -> list[users_pb2.PartialError]:
        """Return the failed lookups of the response, by their paths."""
        failures = tuple(failures)
        for _, failure in failures:
            self.report.add_error(failure)
        return partial_errors(failures, self.request_id, self.method)

    def add_partial_errors(self, failures: Iterable[tuple[str, Exception]]) -> None:
        """Add a trailer with the failed lookups, as many as its size permits."""
        partial = users_pb2.PartialErrors()
        for error in self.partial_errors(failures):
            partial.errors.append(error)
            while partial.ByteSize() > _MAX_PARTIAL_ERROR_BYTES and partial.errors:
                partial.omitted += 1
                del partial.errors[-1].paths[-1]
                if not partial.errors[-1].paths:
                    del partial.errors[-1]
        if partial.errors or partial.omitted:
            self.trailers.append((PARTIAL_ERRORS, partial.SerializeToString()))

    def add_freshness(self) -> None:
        """Add the trailers about kept records, with what was given past its lifetime as far as its size permits."""
        status = self.freshness.cache_status
        if status is not None:
            self.trailers.append(("cache-status", status))
        if not self.freshness.stale:
            return
        room = _MAX_BINARY_BYTES - sum(len(value) for _, value in self.trailers if isinstance(value, bytes))
        found = stale_data(self.freshness)
        freshness = users_pb2.Freshness(omitted=len(found))
        for stale in found:
            freshness.stale.append(stale_message(stale))
            freshness.omitted -= 1
            if freshness.ByteSize() > room:
                del freshness.stale[-1]
                freshness.omitted += 1
                break
        self.trailers.append((FRESHNESS, freshness.SerializeToString()))

    def failed(self, error: Exception) -> status_pb2.Status:
        """Return the status of a call that failed."""
        self.report.add_error(error)
        return status_of(error, self.request_id, self.method)

    def all_trailers(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return the trailers, with the request id and the duration until now."""
        milliseconds = (time.perf_counter() - self.report.started) * 1000
        return (
            ("x-request-id", self.request_id),
            ("server-timing", f"total;dur={milliseconds:.1f}"),
            *self.trailers,
        )


def _peer_address(peer: str) -> str:
    """Return the address in grpcio's name of a peer, e.g. `ipv6:%5B::1%5D:50051`; empty for a Unix socket."""
    family, _, address = peer.partition(":")
    return unquote(address).rpartition(":")[0].strip("[]") if family in {"ipv4", "ipv6"} else ""
