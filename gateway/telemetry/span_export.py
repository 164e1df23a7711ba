"""Sends spans by OTLP, in a thread, so that a slow or missing collector delays no request and no stop.

The SDK and the exporter are the extra `otel`: import this module only where spans are exported.
"""

import asyncio
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from gateway.kit.threads import in_daemon_thread
from gateway.telemetry.otlp import ExportLog, Signal, gateway_version, resource
from gateway.telemetry.tracing import Tracing

__all__ = ["SpanExport"]

_GRACE = 3.0  # seconds for the last export
_SHORT_GRACE = 0.5
_MARGIN = 0.2


class SpanExport:
    """Sends the spans of this process to a URL until the block ends, whose value makes them.

    With `ratio` None the SDK reads the sampler from `OTEL_TRACES_SAMPLER`; see `Tracing`. The size and the interval of
    the batches are those of `OTEL_BSP_*`. Spans that are left at the end have three seconds; a collector that is known
    to be away has less.
    """

    def __init__(self, url: str, ratio: float | None) -> None:
        self._ratio = ratio
        sampler = None if ratio is None else ALWAYS_ON
        self._provider = TracerProvider(sampler, resource(), shutdown_on_exit=False, id_generator=_Ids())
        self._exporter = OTLPSpanExporter(url)
        self._log = ExportLog(Signal.TRACES, url, trace_exporter._logger)  # noqa: SLF001 - it has no other name

    async def __aenter__(self) -> Tracing:
        self._log.__enter__()
        self._provider.add_span_processor(BatchSpanProcessor(_LoggedExporter(self._exporter, self._log)))
        return Tracing(self._provider, gateway_version(), ratio=self._ratio)

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        # It makes the exporter try no more, but does not interrupt a request that is under way.
        stop = loop.call_later(_SHORT_GRACE if self._log.is_failing else _GRACE, self._exporter.shutdown)
        try:
            async with asyncio.timeout_at(stop.when() + _MARGIN):
                await in_daemon_thread(self._shutdown, "spans by OTLP")
        except TimeoutError:
            self._log.note(succeeded=False)
        finally:
            stop.cancel()
            self._log.__exit__()

    def _shutdown(self) -> None:
        with self._log.exporting():  # which may last longer than it is waited for
            self._provider.shutdown()


class _LoggedExporter(SpanExporter):
    """An exporter that notes the result of each export."""

    def __init__(self, exporter: OTLPSpanExporter, log: ExportLog) -> None:
        self._exporter = exporter
        self._log = log

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._log.exporting():
            result = self._exporter.export(spans)
            self._log.note(succeeded=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the exporter has no types there

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Ids(RandomIdGenerator):
    """The ids of traces, without the flag of W3C's second level: not all that read `traceparent` know more than one."""

    def is_trace_id_random(self) -> bool:
        return False
