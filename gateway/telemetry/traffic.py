"""Requests or calls of the last ten minutes, in slots of ten seconds."""

import time
from collections.abc import Callable, Sequence

from gateway.telemetry.durations import Durations
from gateway.telemetry.log_fields import log_time
from gateway.telemetry.recent import RecentSlots
from gateway.telemetry.status import Figures, TrafficSlot, TrafficStatus

__all__ = ["SLOTS", "SLOT_SECONDS", "Traffic", "median_and_p95"]

SLOT_SECONDS = 10.0
SLOTS = 60
_MINUTE = 6  # slots


class _Slot:
    __slots__ = ("durations", "failed")

    def __init__(self) -> None:
        self.durations = Durations()
        self.failed = 0


class Traffic:
    """Counts requests or calls with their durations. `clock` is monotonic."""

    __slots__ = ("_clock", "_slots", "_started")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._slots = RecentSlots(_Slot, length=SLOT_SECONDS, count=SLOTS, clock=clock)

    def add(self, seconds: float, *, failed: bool) -> None:
        """Count one that ends now."""
        slot = self._slots.present()
        slot.durations.add(seconds)
        if failed:
            slot.failed += 1

    def status(self) -> TrafficStatus:
        """Return the figures of the last minute, of the last ten minutes, and of each slot."""
        now = self._clock()
        used = list(self._slots.recent())
        present_start = now - now % SLOT_SECONDS + (time.time() - now)  # in seconds since 1970
        return TrafficStatus(
            self._figures([slot for age, slot in used if age <= _MINUTE], _MINUTE, now),
            self._figures([slot for _, slot in used], SLOTS - 1, now),
            [
                TrafficSlot(
                    log_time(present_start - age * SLOT_SECONDS),
                    slot.durations.count,
                    slot.failed,
                    *median_and_p95(slot.durations),
                )
                for age, slot in used
            ],
        )

    def _figures(self, slots: Sequence[_Slot], complete: int, now: float) -> Figures:
        """Return the figures of the present slot and of so many complete ones before it."""
        durations = Durations(slot.durations for slot in slots)
        seconds = min(complete * SLOT_SECONDS + now % SLOT_SECONDS, now - self._started)
        return Figures(
            durations.count,
            sum(slot.failed for slot in slots),
            round(durations.count / max(seconds, 1.0), 2),
            *median_and_p95(durations),
        )


def median_and_p95(durations: Durations) -> tuple[float | None, float | None]:
    """Return both in milliseconds."""
    median, p95 = durations.quantile(0.5), durations.quantile(0.95)
    return (None if median is None else round(median * 1000, 1), None if p95 is None else round(p95 * 1000, 1))
