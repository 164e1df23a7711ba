"""Counts of durations, by their size, from which quantiles are computed."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

__all__ = ["Durations", "add_to_each"]

_FACTOR = 1.25  # each bound is so many times the one before it: a quantile is exact to about 12 %
_BOUNDS = tuple(0.0005 * _FACTOR**number for number in range(54))  # seconds: from 0.5 ms to 68 s
_HALF_STEP = math.sqrt(_FACTOR)  # from a bound to the middle of the sizes below it


class Durations:
    """Durations in seconds. It takes memory only for the sizes that occurred, of which there are at most 55."""

    __slots__ = ("_counts", "count", "longest")

    def __init__(self, parts: Iterable["Durations"] = ()) -> None:
        """Create the sum of `parts`."""
        self._counts: dict[int, int] = {}
        self.count = 0
        self.longest = 0.0
        for part in parts:
            self.count += part.count
            self.longest = max(self.longest, part.longest)
            for index, count in part._counts.items():  # noqa: SLF001 - of this class
                self._counts[index] = self._counts.get(index, 0) + count

    def add(self, seconds: float) -> None:
        """Count one duration."""
        add_to_each((self,), seconds)

    def quantile(self, share: float) -> float | None:
        """Return the duration that `share` of all durations do not exceed, for example 0.95; None if there are none."""
        rank = share * self.count
        counted = 0
        for index in sorted(self._counts):
            counted += self._counts[index]
            if counted >= rank:
                if index == len(_BOUNDS):
                    return self.longest
                return min(_BOUNDS[index] / _HALF_STEP, self.longest)
        return None


def add_to_each(all_durations: Sequence[Durations], seconds: float) -> None:
    """Count one duration in each of several."""
    index = bisect_left(_BOUNDS, seconds)
    for durations in all_durations:
        counts = durations._counts  # noqa: SLF001 - of this module
        counts[index] = counts.get(index, 0) + 1
        durations.count += 1
        if seconds > durations.longest:  # noqa: PLR1730 - CONTRIBUTING.md, "Speed"
            durations.longest = seconds
