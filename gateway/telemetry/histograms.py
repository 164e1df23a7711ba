"""Histograms that count in a few steps: each request is counted in four of them.

Those of prometheus-client take a lock for each value, and search their buckets one by one. These belong to one event
loop, which counts and collects.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

__all__ = ["Histogram", "Series"]


class Series:
    """The values of a histogram that have the same labels: how many of them are in each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "created", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last one is for larger values
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        self.created = time.time()

    def observe(self, amount: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Count a value; `exemplar` is the span in which it was measured."""
        index = bisect_left(self.bounds, amount)
        self.counts[index] += 1
        self.total += amount
        if exemplar is not None:
            self.exemplars[index] = Exemplar(dict(exemplar), amount, time.time())


class Histogram(Collector):
    """A metric of prometheus-client's registry with a series for each combination of labels."""

    def __init__(self, name: str, description: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._description = description
        self._labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._shown = (*(str(float(bound)) for bound in bounds), "+Inf")
        self._series: dict[tuple[str, ...], Series] = {}

    def labels(self, *values: object) -> Series:
        """Return the series with these values of the labels, in their order; it begins with the first call."""
        key = tuple(str(value) for value in values)
        series = self._series.get(key)
        if series is None:
            if len(key) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}, not {len(key)} values")
            series = self._series[key] = Series(self._bounds)
        return series

    def collect(self) -> Iterator[Metric]:
        """Return the present counts."""
        family = HistogramMetricFamily(self._name, self._description, labels=self._labels)
        for values, series in self._series.items():
            count = 0
            buckets = []
            for index, bound in enumerate(self._shown):
                count += series.counts[index]
                buckets.append((bound, float(count), series.exemplars.get(index)))
            family.add_metric(values, buckets, series.total)  # type: ignore[arg-type] # an exemplar may be None
            labels = dict(zip(self._labels, values, strict=True))
            family.samples.append(Sample(f"{self._name}_created", labels, series.created))
        yield family
