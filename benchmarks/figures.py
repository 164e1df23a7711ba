"""Computes medians and percentiles of measurements."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

__all__ = ["Figures", "Key", "Sample", "median_figures", "percentile"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests per second, CPU in µs per request, latencies in ms, and source calls per request."""

    rate: float
    cpu: float
    p50: float
    p99: float
    calls: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one round."""

    server: str
    operation: str
    connections: int
    figures: Figures


Key = tuple[str, str, int]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that the given share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def median_figures(samples: Iterable[Sample]) -> dict[Key, Figures]:
    """Return the median of each figure over the rounds, by server, operation and connections."""
    by_key: dict[Key, list[Figures]] = defaultdict(list)
    for sample in samples:
        by_key[sample.server, sample.operation, sample.connections].append(sample.figures)
    names = [field.name for field in fields(Figures)]
    return {
        key: Figures(**{name: statistics.median(getattr(sample, name) for sample in group) for name in names})
        for key, group in by_key.items()
    }
