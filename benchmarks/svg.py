"""Draws bars and lines as SVG without a library, readable on light and on dark pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

__all__ = ["Bar", "Bars", "Lines", "bars", "lines"]

_WIDTH = 860
_LABELS = 230
_ROW = 24
_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 } .quiet { fill: #6e7781 }
.bar { fill: #afb8c1 } .ours { fill: #0969da } .grid { stroke: #d0d7de } .line { fill: none; stroke-width: 2 }
.line.a { stroke: #0969da } .line.b { stroke: #8c959f } .dot.a { fill: #0969da } .dot.b { fill: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #8b949e } .bar { fill: #484f58 } .ours { fill: #4493f8 } .grid { stroke: #30363d }
.line.a { stroke: #4493f8 } .dot.a { fill: #4493f8 } }
</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; that of the gateway is coloured."""

    label: str
    value: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A group of bars under a title, on a separate scale from zero."""

    title: str
    unit: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Lines:
    """Points of up to two series, under a title; the x axis can be logarithmic."""

    title: str
    axis: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic: bool = False


def bars(groups: Sequence[Bars], description: str) -> str:
    """Draw groups of horizontal bars, the shortest first."""
    parts, top = [], 0
    for group in groups:
        top += 34
        parts.append(_text(0, top, f"{group.title}: {group.unit}", "title"))
        maximum = max((bar.value for bar in group.bars), default=0) or 1
        for bar in sorted(group.bars, key=lambda bar: bar.value):
            top += _ROW
            width = max(1.0, bar.value / maximum * (_WIDTH - _LABELS - 90))
            kind = "ours" if bar.ours else "bar"
            parts.append(_text(_LABELS - 10, top, bar.label, anchor="end"))
            parts.append(f'<rect class="{kind}" x="{_LABELS}" y="{top - 13}" width="{width:.1f}" height="17" rx="2"/>')
            parts.append(_text(_LABELS + width + 8, top, f"{bar.value:,.0f}", "quiet"))
    return _document(parts, top + 20, description)


def lines(charts: Sequence[Lines], description: str) -> str:
    """Draw charts below each other, every y axis from zero."""
    parts, top = [], 0
    for chart in charts:
        parts += _chart(chart, top)
        top += 250
    return _document(parts, top, description)


def _chart(chart: Lines, top: int) -> list[str]:
    left, right, upper, lower = 70, _WIDTH - 20, top + 56, top + 206
    xs = sorted({x for points in chart.series.values() for x, _ in points})
    maximum = max(y for points in chart.series.values() for _, y in points) or 1
    scale = log10 if chart.logarithmic else float
    span = scale(xs[-1]) - scale(xs[0]) or 1

    def to_point(x: float, y: float) -> tuple[float, float]:
        return left + (scale(x) - scale(xs[0])) / span * (right - left), lower - y / maximum * (lower - upper)

    parts = [_text(0, top + 24, chart.title, "title")]
    for share in (0, 0.5, 1):
        y = lower - share * (lower - upper)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(_text(left - 8, y + 4, f"{maximum * share:,.0f}", "quiet", "end"))
    parts += [_text(to_point(x, 0)[0], lower + 18, f"{x:,.0f}", "quiet", "middle") for x in xs]
    parts.append(_text(right, lower + 36, chart.axis, "quiet", "end"))
    for kind, (name, points) in zip("ab", chart.series.items(), strict=False):
        coordinates = [to_point(x, y) for x, y in sorted(points)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in coordinates)
        parts.append(f'<path class="line {kind}" d="M{path}"/>')
        parts += [f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in coordinates]
        parts.append(f'<circle class="dot {kind}" cx="{left + (kind == "b") * 260}" cy="{top + 40}" r="4"/>')
        parts.append(_text(left + 10 + (kind == "b") * 260, top + 44, name))
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(parts: Sequence[str], height: int, description: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    return "\n".join([head, f"<title>{escape(description)}</title>", _STYLE, *parts, "</svg>", ""])
