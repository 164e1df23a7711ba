"""Compares variants with a baseline: alternately, in short measurements, as ratios of the CPU time per request.

The machine's other work changes the CPU time of a request by more than the variants do. It changes slowly, so the ratio
of two measurements that follow each other is nearly free of it, and the median over many rounds is more so. How much is
left shows a variant that equals the baseline.
"""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Ratio", "Spent", "alternate", "ratios"]


@dataclass(frozen=True, slots=True)
class Spent:
    """The CPU seconds of one measurement, and the number of requests."""

    cpu: float
    requests: int

    @property
    def microseconds(self) -> float:
        """CPU time per request in µs."""
        return self.cpu / self.requests * 1e6


@dataclass(frozen=True, slots=True)
class Ratio:
    """CPU per request of a variant in µs (median), the median of its ratios to the baseline, and their quartiles."""

    cpu: float
    ratio: float
    low: float
    high: float


Measurements = Mapping[str, Sequence[Spent]]
"""The measurements by variant, one for each round."""


def alternate(variants: Sequence[str], measure: Callable[[str], Spent], rounds: int) -> Measurements:
    """Measure each variant once in each round, in another order each time: none follows another one always."""
    measured: dict[str, list[Spent]] = {variant: [] for variant in variants}
    shuffle = random.Random(0)  # noqa: S311 - the same orders in each run
    for _ in range(rounds):
        for variant in shuffle.sample(variants, len(variants)):
            measured[variant].append(measure(variant))
    return measured


def ratios(measured: Measurements, baseline: str) -> dict[str, Ratio]:
    """Return the ratios of all variants to the baseline, whose own is 1."""
    divisors = [spent.microseconds for spent in measured[baseline]]
    result = {}
    for variant, rounds in measured.items():
        by_round = [spent.microseconds / divisor for spent, divisor in zip(rounds, divisors, strict=True)]
        low, median, high = statistics.quantiles(by_round, n=4) if len(by_round) > 1 else by_round * 3
        result[variant] = Ratio(statistics.median(spent.microseconds for spent in rounds), median, low, high)
    return result
