"""What is made of many measurements: medians, percentiles, and ratios to the floor."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

__all__ = ["Figures", "Key", "Sample", "percentile", "summed_up"]


@dataclass(frozen=True, slots=True)
class Figures:
    """How a server did: requests a second, CPU µs a request, latencies in ms, source calls a request."""

    rate: float
    cpu: float
    p50: float
    p99: float
    calls: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, in one round."""

    server: str
    operation: str
    connections: int
    figures: Figures


Key = tuple[str, str, int]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def summed_up(samples: Iterable[Sample]) -> dict[Key, Figures]:
    """The median of each figure over the rounds, by server, operation and connections."""
    together: dict[Key, list[Figures]] = defaultdict(list)
    for one in samples:
        together[one.server, one.operation, one.connections].append(one.figures)
    names = [field.name for field in fields(Figures)]
    return {
        key: Figures(**{name: statistics.median(getattr(one, name) for one in several) for name in names})
        for key, several in together.items()
    }
