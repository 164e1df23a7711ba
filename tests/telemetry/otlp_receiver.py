"""A receiver of OTLP over HTTP on a real socket, which keeps what it got."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["Receiver", "attributes", "receiving"]

_TIMEOUT = 30.0  # seconds: nothing here takes that long


@dataclass(slots=True)
class Receiver:
    """What was received at `url`: requests in their order, each with its headers.

    `status` is what it responds; `hangs`: it never responds.
    """

    url: str = ""
    status: int = 200
    hangs: bool = False
    metrics: list[Any] = field(default_factory=list)
    traces: list[Any] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    _received: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition, which is checked after each request, is true, and return its value."""
        async with asyncio.timeout(_TIMEOUT):
            while not (value := condition()):
                self._received.clear()
                await self._received.wait()
        return value

    def metric(self, name: str) -> Any:
        """Return the latest value of a metric, by its name in OpenTelemetry; None if it was never received."""
        for request in reversed(self.metrics):
            for metric in metrics_of(request):
                if metric.name == name:
                    return metric
        return None

    def spans(self) -> list[Any]:
        """Return all spans, in the order of their arrival."""
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def _handle(
        self, request: web.Request, received: list[Any], message: type[Message], response: type[Message]
    ) -> web.Response:
        body = await request.read()
        if (
            request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b"
        ):  # aiohttp may have inflated it
            body = gzip.decompress(body)
        self.headers.append(dict(request.headers))
        if self.hangs:
            self._received.set()
            await asyncio.Event().wait()
        if self.status == 200:
            received.append(message.FromString(body))
        self._received.set()
        return web.Response(
            status=self.status, body=response().SerializeToString(), content_type="application/x-protobuf"
        )

    async def receive_metrics(self, request: web.Request) -> web.Response:
        """Receive an export of metrics."""
        return await self._handle(request, self.metrics, ExportMetricsServiceRequest, ExportMetricsServiceResponse)

    async def receive_traces(self, request: web.Request) -> web.Response:
        """Receive an export of traces."""
        return await self._handle(request, self.traces, ExportTraceServiceRequest, ExportTraceServiceResponse)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Receive OTLP until the block ends."""
    receiver = Receiver()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/metrics", receiver.receive_metrics)
    app.router.add_post("/v1/traces", receiver.receive_traces)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def metrics_of(request: Any) -> Iterator[Any]:
    """Return all metrics of one request."""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a resource, a data point or a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}
