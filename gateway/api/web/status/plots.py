"""Plots of the last ten minutes as SVG, without a script: a bar for each interval of ten seconds."""

from collections.abc import Iterator, Sequence

from gateway.api.web.status.html import Html, element, joined
from gateway.telemetry.figures import milliseconds, seconds_since
from gateway.telemetry.status import TrafficInterval
from gateway.telemetry.traffic import INTERVAL_SECONDS, INTERVALS

__all__ = ["count_plot", "duration_plot"]

_STEP, _WIDTH = 3, 2.4  # of a bar with its gap, and of a bar
_HEIGHT = 36
_LEAST = 1.5  # the height of a bar that would not be seen otherwise


def count_plot(intervals: Sequence[TrafficInterval], now: str, noun: str) -> Html:
    """Return how many requests or calls there were, and how many of them failed."""
    highest = max((interval.count for interval in intervals), default=0)
    failed = sum(interval.failed for interval in intervals)
    caption = joined(noun, ", ", element("span", "failed", class_="failed"))
    total = sum(interval.count for interval in intervals)
    text = f"{total} {noun} in ten minutes, {failed} of them failed"
    bars = (
        (interval, [("count", interval.count / highest), ("failed", interval.failed / highest)])
        for interval in intervals
        if interval.count
    )
    return _figure(caption, f"most {highest} in 10 s" if highest else "none", text, _bars(bars, now))


def duration_plot(intervals: Sequence[TrafficInterval], now: str) -> Html:
    """Return how long the requests or calls took: the median, and what 95 % of them did not exceed."""
    longest = max((interval.p95_ms or 0.0 for interval in intervals), default=0.0)
    caption = joined(element("span", "median", class_="median"), ", ", element("span", "95 %", class_="p95"))
    text = f"the slowest interval of ten seconds has a 95th percentile of {milliseconds(longest)}"
    bars = (
        (interval, [("p95", (interval.p95_ms or 0) / longest), ("median", (interval.median_ms or 0) / longest)])
        for interval in intervals
        if interval.p95_ms
    )
    return _figure(caption, f"most {milliseconds(longest)}" if longest else "none", text, _bars(bars, now))


def _bars(intervals: Iterator[tuple[TrafficInterval, list[tuple[str, float]]]], now: str) -> Html:
    found = []
    for interval, parts in intervals:
        age = int(seconds_since(interval.start, now) / INTERVAL_SECONDS)
        for kind, part in parts:
            if part and age < INTERVALS:
                height = max(_LEAST, part * _HEIGHT)
                x, y = (INTERVALS - 1 - age) * _STEP, round(_HEIGHT - height, 1)
                found.append(element("rect", x=x, y=y, width=_WIDTH, height=round(height, 1), class_=kind))
    return joined(*found)


def _figure(caption: Html, highest: str, text: str, bars: Html) -> Html:
    view = f"0 0 {INTERVALS * _STEP} {_HEIGHT}"
    svg = element("svg", bars, viewBox=view, preserveAspectRatio="none", role="img", aria_label=text)
    axis = element("p", element("span", "10 min ago"), element("span", "now"), class_="axis")
    return element("figure", element("figcaption", element("span", caption), element("span", highest)), svg, axis)
