"""Metrics that have the names of OpenTelemetry and, by its rules of translation, those of Prometheus.

`http.server.request.duration` with the unit `s` is `http_server_request_duration_seconds` in Prometheus, and the
attribute `http.request.method` is the label `http_request_method`. Both are made of one definition here, so that a
dashboard for one works with the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.telemetry.histograms import Histogram

__all__ = ["Instruments", "MetricName", "MetricReader", "ReadMetric"]

_UNITS = {"s": "seconds", "By": "bytes"}  # a unit in braces, such as `{call}`, is no part of a name in Prometheus

Family = type[GaugeMetricFamily] | type[CounterMetricFamily]

MetricReader = Callable[[], Mapping[tuple[str, ...], float]]
"""Returns the present values of a metric, by the values of its labels."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """The name of a metric in OpenTelemetry: its unit by UCUM, and its attributes by the labels of Prometheus."""

    name: str
    unit: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def prometheus(self) -> str:
        """The name in Prometheus, without the ending `_total` of a counter."""
        unit = _UNITS.get(self.unit)
        name = self.name.replace(".", "_")
        return name if unit is None else f"{name}_{unit}"


class ReadMetric(Collector):
    """A gauge or counter whose values are read when they are collected, so that it costs nothing before that."""

    def __init__(self, family: Family, name: str, description: str, labels: Sequence[str]) -> None:
        self._family = family
        self._name = name
        self._description = description
        self._labels = labels
        self._read: MetricReader = dict

    def read_from(self, read: MetricReader) -> None:
        """Set what returns the values. Until then there are none."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return the present values."""
        family = self._family(self._name, self._description, labels=self._labels)
        for labels, value in self._read().items():
            family.add_metric(labels, value)
        yield family


class Instruments:
    """Defines metrics in a registry. `names` has the name in OpenTelemetry of each metric, by that in Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.names: dict[str, MetricName] = {}

    def counter(self, name: str, description: str, attributes: Sequence[str] = (), *, unit: str = "{event}") -> Counter:
        """Define a counter."""
        named = self._define(name, unit, attributes)
        return Counter(named.prometheus, description, tuple(named.attributes), registry=self._registry)

    def histogram(
        self, name: str, description: str, attributes: Sequence[str], buckets: Sequence[float], *, unit: str = "s"
    ) -> Histogram:
        """Define a histogram."""
        named = self._define(name, unit, attributes)
        histogram = Histogram(named.prometheus, description, tuple(named.attributes), buckets)
        self._registry.register(histogram)
        return histogram

    def gauge(self, name: str, description: str, attributes: Sequence[str] = (), *, unit: str = "") -> ReadMetric:
        """Define a gauge, whose values are read when they are collected."""
        return self._read_metric(GaugeMetricFamily, self._define(name, unit, attributes), description)

    def read_counter(
        self, name: str, description: str, attributes: Sequence[str] = (), *, unit: str = "{event}"
    ) -> ReadMetric:
        """Define a counter, whose values something else counts: they are read when they are collected."""
        return self._read_metric(CounterMetricFamily, self._define(name, unit, attributes), description)

    def _read_metric(self, family: Family, named: MetricName, description: str) -> ReadMetric:
        metric = ReadMetric(family, named.prometheus, description, tuple(named.attributes))
        self._registry.register(metric)
        return metric

    def _define(self, name: str, unit: str, attributes: Sequence[str]) -> MetricName:
        named = MetricName(name, unit, {attribute.replace(".", "_"): attribute for attribute in attributes})
        self.names[named.prometheus] = named
        return named
