"""Requests or calls of the last ten minutes, in intervals of ten seconds."""

import time
from collections.abc import Callable, Sequence

from gateway.telemetry.durations import Durations
from gateway.telemetry.intervals import RecentIntervals
from gateway.telemetry.log_fields import log_time
from gateway.telemetry.status import Figures, TrafficInterval, TrafficStatus

__all__ = ["INTERVALS", "INTERVAL_SECONDS", "Interval", "Traffic", "median_and_p95"]

INTERVAL_SECONDS = 10.0
INTERVALS = 60
_MINUTE = 6  # intervals


class Interval:
    """The durations of one interval, and how many of them failed."""

    __slots__ = ("durations", "failed")

    def __init__(self) -> None:
        self.durations = Durations()
        self.failed = 0


class Traffic:
    """Counts requests or calls with their durations, since `started` or from now on. `clock` is monotonic."""

    __slots__ = ("_clock", "_intervals", "started")

    def __init__(self, clock: Callable[[], float] = time.monotonic, started: float | None = None) -> None:
        self._clock = clock
        self.started = clock() if started is None else started
        self._intervals = RecentIntervals(Interval, length=INTERVAL_SECONDS, count=INTERVALS, clock=clock)

    def add(self, seconds: float, *, failed: bool, now: float | None = None) -> None:
        """Count one that ends now. `now` saves reading the clock again."""
        intervals = self._intervals
        interval = intervals.latest if now is not None and now < intervals.end else intervals.present(now)
        interval.durations.add(seconds)
        if failed:
            interval.failed += 1

    def present(self, now: float | None = None) -> "Interval":
        """Return the interval of the present, to count in it."""
        return self._intervals.present(now)

    def add_failed(self) -> None:
        """Count as failed what was counted as successful."""
        self.present().failed += 1

    def status(self) -> TrafficStatus:
        """Return the figures of the last minute, of the last ten minutes, and of each interval."""
        now = self._clock()
        used = list(self._intervals.recent())
        present_start = now - now % INTERVAL_SECONDS + (time.time() - now)  # in seconds since 1970
        return TrafficStatus(
            self._figures([interval for age, interval in used if age <= _MINUTE], _MINUTE, now),
            self._figures([interval for _, interval in used], INTERVALS - 1, now),
            [
                TrafficInterval(
                    log_time(present_start - age * INTERVAL_SECONDS),
                    interval.durations.count,
                    # Of a call that several operations share, each may find that its response is invalid.
                    min(interval.failed, interval.durations.count),
                    *median_and_p95(interval.durations),
                )
                for age, interval in used
            ],
        )

    def _figures(self, intervals: Sequence[Interval], complete: int, now: float) -> Figures:
        """Return the figures of the present interval and of so many complete ones before it."""
        durations = Durations(interval.durations for interval in intervals)
        seconds = min(complete * INTERVAL_SECONDS + now % INTERVAL_SECONDS, now - self.started)
        return Figures(
            durations.count,
            sum(min(interval.failed, interval.durations.count) for interval in intervals),
            round(durations.count / max(seconds, 1.0), 2),
            *median_and_p95(durations),
        )


def median_and_p95(durations: Durations) -> tuple[float | None, float | None]:
    """Return both in milliseconds."""
    median, p95 = durations.quantile(0.5), durations.quantile(0.95)
    return (None if median is None else round(median * 1000, 1), None if p95 is None else round(p95 * 1000, 1))
