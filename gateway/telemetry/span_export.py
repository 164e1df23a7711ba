"""Sends spans by OTLP, in a thread, so that a slow or missing collector delays no request and no stop.

The SDK and the exporter are the extra `otel`: import this module only where spans are exported.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from gateway.telemetry.otlp import ExportLog, Signal, resource

__all__ = ["SpanExport"]

_LOG = logging.getLogger("gateway.telemetry")
_EXPORTER_LOG = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


class SpanExport:
    """Records the spans of this process and sends them to `url`.

    Of the traces that begin here, the share `ratio` is recorded, by chance; of those that a caller has begun, the ones
    that the caller records. With `ratio` None the SDK reads the sampler from `OTEL_TRACES_SAMPLER`. The size and the
    interval of the batches are those of `OTEL_BSP_*`.
    """

    def __init__(self, url: str, ratio: float | None) -> None:
        sampler = None if ratio is None else ParentBased(TraceIdRatioBased(ratio))
        self.provider = TracerProvider(sampler, resource(), shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(url)
        self._log = ExportLog(Signal.TRACES, url, _EXPORTER_LOG)
        self._log.__enter__()
        self.provider.add_span_processor(BatchSpanProcessor(_LoggedExporter(self._exporter, self._log)))

    async def aclose(self, max_seconds: float) -> None:
        """Send the spans that are left, for so many seconds at most; those that could not be sent by then are lost."""
        if not await _in_thread(self.provider.shutdown, max_seconds):
            # It ends its retries, and so the thread.
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the exporter has no types there
            _LOG.warning("the last spans could not be sent within %g s, and are lost", max_seconds)
        self._log.__exit__()


class _LoggedExporter(SpanExporter):
    """An exporter that notes the result of each export."""

    def __init__(self, exporter: OTLPSpanExporter, log: ExportLog) -> None:
        self._exporter = exporter
        self._log = log

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._log.note(succeeded=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the exporter has no types there

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


async def _in_thread(function: Callable[[], object], max_seconds: float) -> bool:
    """Call a function in a thread; return False if it has not ended after so many seconds, and goes on.

    The process does not wait for the thread when it ends, as it would for one of the event loop's executor.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def run() -> None:
        try:
            function()
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, name="gateway-spans", daemon=True).start()
    try:
        async with asyncio.timeout(max_seconds):
            await ended.wait()
    except TimeoutError:
        return False
    return True
