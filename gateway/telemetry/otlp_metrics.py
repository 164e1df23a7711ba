"""Sends the metrics by OTLP: translates what a scrape would get, and exports it at an interval and at the end.

OpenTelemetry's SDK for Python has no producer of metrics that something else counts, so the translation is here. Its
exporter does the rest: protobuf, headers, compression, certificates and retries.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Self

from opentelemetry.exporter.otlp.proto.http import metric_exporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.samples import Sample

from gateway.kit.tasks import cancel_and_wait
from gateway.kit.threads import in_daemon_thread
from gateway.telemetry.instruments import MetricName
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.otlp import ExportLog, Signal, gateway_version, resource

__all__ = ["MetricsExport", "metrics_data"]

_GRACE = 3.0  # seconds for the last export
_SHORT_GRACE = 0.5
_MARGIN = 0.2
_INTEGERS = frozenset({"http.response.status_code", "server.port"})
_NANO = 1_000_000_000
_OF_SPAN = {"trace_id", "span_id"}

_Attributes = tuple[tuple[str, str | int], ...]


class MetricsExport:
    """Sends the metrics to a URL every `interval` seconds until the block ends, and once more then.

    Nothing waits for an export. The last one has three seconds. Failures are logged when they begin and when they end.
    """

    def __init__(self, metrics: Metrics, url: str, *, interval: float) -> None:
        self._metrics = metrics
        self._interval = interval
        self._exporter = OTLPMetricExporter(url)
        self._log = ExportLog(Signal.METRICS, url, metric_exporter._logger)  # noqa: SLF001 - it has no other name
        self._resource = resource()
        self._started = time.time_ns()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._log)
        self._stack.push_async_callback(self._finish, asyncio.create_task(self._run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _run(self) -> None:
        while True:
            await self._export()  # the first one at once, so that a wrong URL is in the log of the start
            await asyncio.sleep(self._interval)

    async def _finish(self, task: "asyncio.Task[None]") -> None:
        """Export once more; a collector that is known to be away gets one try."""
        await cancel_and_wait(task)
        loop = asyncio.get_running_loop()
        # It makes the exporter try no more, but does not interrupt a request that is under way.
        shutdown = loop.call_later(_SHORT_GRACE if self._log.is_failing else _GRACE, self._exporter.shutdown)
        try:
            async with asyncio.timeout_at(shutdown.when() + _MARGIN):
                await self._export()
        except TimeoutError:
            self._log.note(succeeded=False)
        finally:
            if loop.time() < shutdown.when():
                shutdown.cancel()
                self._exporter.shutdown()

    async def _export(self) -> None:
        families = list(self._metrics.registry.collect())  # here, since it reads the state of the event loop's objects

        def send() -> bool:
            data = metrics_data(families, self._metrics.names, self._resource, self._started)
            with self._log.exporting():
                return self._exporter.export(data) is MetricExportResult.SUCCESS

        self._log.note(succeeded=await in_daemon_thread(send, "metrics by OTLP"))


def metrics_data(
    families: Iterable[Family], names: Mapping[str, MetricName], described: Resource, started: int
) -> MetricsData:
    """Return what prometheus-client has collected in the terms of OpenTelemetry.

    `names` has OpenTelemetry's names by those of Prometheus; a metric that is not in it keeps its name. `described` is
    the resource. `started` is when those series began that do not state it, in nanoseconds since 1970.
    """
    now = time.time_ns()
    metrics = [
        _metric(family, names.get(family.name) or MetricName(family.name), started, now)
        for family in families
        if family.samples
    ]
    scope = InstrumentationScope("gateway", gateway_version())
    return MetricsData([ResourceMetrics(described, [ScopeMetrics(scope, metrics, "")], "")])


def _metric(family: Family, named: MetricName, started: int, now: int) -> Metric:
    data: Gauge | Sum | Histogram
    series = _series(family.samples, named).items()
    if family.type == "histogram":
        points = [_histogram(dict(attributes), samples, started, now) for attributes, samples in series]
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
    else:
        numbers = [_number(dict(attributes), samples, started, now) for attributes, samples in series]
        is_counter = family.type == "counter"
        data = Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True) if is_counter else Gauge(numbers)
    return Metric(named.name, family.documentation, named.unit, data)


def _series(samples: Iterable[Sample], named: MetricName) -> Mapping[_Attributes, list[Sample]]:
    """Group samples by their attributes, of which an empty label is none."""
    series: dict[_Attributes, list[Sample]] = defaultdict(list)
    for sample in samples:
        series[tuple(_attributes(sample.labels, named))].append(sample)
    return series


def _attributes(labels: Mapping[str, str], named: MetricName) -> Iterator[tuple[str, str | int]]:
    for label, value in labels.items():
        if not value or label == "le":  # `le` is the bound of a bucket
            continue
        attribute = named.attributes.get(label, label)
        if attribute not in _INTEGERS:
            yield attribute, value
        elif value.isdecimal():
            yield attribute, int(value)


def _number(attributes: Mapping[str, str | int], samples: list[Sample], started: int, now: int) -> NumberDataPoint:
    value = next(sample.value for sample in samples if not sample.name.endswith("_created"))
    return NumberDataPoint(attributes, _created(samples, started), now, float(value))


def _histogram(
    attributes: Mapping[str, str | int], samples: list[Sample], started: int, now: int
) -> HistogramDataPoint:
    bounds: list[float] = []
    exemplars: list[Exemplar] = []
    counts: list[int] = []
    before, total = 0, 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            upper = float(sample.labels["le"])
            counts.append(int(sample.value) - before)
            before = int(sample.value)
            if sample.exemplar is not None and sample.exemplar.labels.keys() >= _OF_SPAN:
                exemplars.append(_exemplar(sample.exemplar))
            if upper != float("inf"):
                bounds.append(upper)
        elif sample.name.endswith("_sum"):
            total = sample.value
    # Without the least and the greatest value, which are not known, and optional.
    nothing: float = None  # type: ignore[assignment] # the SDK's types omit what its encoder and OTLP permit
    return HistogramDataPoint(
        attributes, _created(samples, started), now, before, total, counts, bounds, nothing, nothing, exemplars
    )


def _exemplar(example: PrometheusExemplar) -> Exemplar:
    trace, span = (int(example.labels[name], 16) for name in ("trace_id", "span_id"))
    return Exemplar({}, example.value, int(float(example.timestamp or 0.0) * _NANO), span, trace)


def _created(samples: list[Sample], started: int) -> int:
    """Return when a series began, in nanoseconds since 1970."""
    return next((int(sample.value * _NANO) for sample in samples if sample.name.endswith("_created")), started)
