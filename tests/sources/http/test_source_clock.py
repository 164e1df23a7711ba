"""The clock of a source, as `Date` shows it."""

import pytest

from gateway.sources.http.source_clock import SourceClock

NOON = 1_764_331_200.0  # 2025-11-28T12:00:00Z
DATE = {"Date": "Fri, 28 Nov 2025 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "wall", "later", "expected"),
    [
        ({}, NOON, 0, NOON),
        ({"Date": "yesterday"}, NOON, 0, NOON),
        (DATE, NOON + 0.75, 0, NOON + 0.75),  # they agree: the gateway's clock is more exact
        (DATE, NOON + 10.75, 10, NOON + 10.75),
        (DATE, NOON + 60_000_000, 0, NOON),  # the gateway's clock is wrong
        (DATE, NOON - 60_000_000, 10, NOON + 10),
    ],
)
def test_now(headers: dict[str, str], wall: float, later: float, expected: float) -> None:
    """The time is that of the gateway where `Date` agrees with it, else that of `Date` and what passed since."""
    monotonic = 100.0
    clock = SourceClock(wall=lambda: wall, monotonic=lambda: monotonic)
    clock.observe(headers)
    monotonic += later
    assert clock.now() == expected


def test_a_response_without_a_date() -> None:
    """A response without `Date` does not make the time of an earlier one unknown."""
    clock = SourceClock(wall=lambda: 0.0, monotonic=lambda: 0.0)
    clock.observe(DATE)
    clock.observe({})
    assert clock.now() == NOON
