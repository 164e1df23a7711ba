"""Draws the two plots of a run: CPU per request as bars, the sweeps as lines."""

from benchmarks.figures import Figures, Key
from benchmarks.fleet import CONNECT, GRPC
from benchmarks.operations import USER
from benchmarks.outcome import CONNECTIONS, Outcome
from benchmarks.servers import OURS
from benchmarks.svg import Bar, Bars, Lines, bars, lines
from benchmarks.targets import BUSY

__all__ = ["comparison", "sweeps"]


def comparison(outcome: Outcome) -> str:
    """Return the plot of CPU per request, by operation and server."""
    medians = outcome.medians()
    unit = f"CPU µs a request at {BUSY} connections, less is better"
    groups = [
        Bars(title, unit, _bars(outcome, medians, operation))
        for operation, title in outcome.operations.items()
        if operation not in {CONNECT, GRPC}
    ]
    return bars([group for group in groups if group.bars], "CPU time a request, by server and operation")


def _bars(outcome: Outcome, medians: dict[Key, Figures], operation: str) -> list[Bar]:
    """Return one bar for each server; for `user(id)` also one for the same read over gRPC and Connect."""
    found_bars = []
    for name, server_title in outcome.titles.items():
        if (name, operation, BUSY) in medians:
            found_bars.append(Bar(server_title, medians[name, operation, BUSY].cpu, name.startswith(OURS)))
        for same, protocol in ((GRPC, "gRPC"), (CONNECT, "Connect")):
            if operation == USER.name and (name, same, BUSY) in medians:
                cpu = medians[name, same, BUSY].cpu
                found_bars.append(Bar(f"{server_title}, {protocol}", cpu, name.startswith(OURS)))
    return found_bars


def sweeps(outcome: Outcome) -> str:
    """Return the plot of CPU and latency along each sweep."""
    charts = []
    for along in dict.fromkeys(point.along for point in outcome.sweep):
        for figure, unit in (("cpu", "CPU µs a request"), ("p99", "p99 ms")):
            series: dict[str, list[tuple[float, float]]] = {}
            for point in outcome.sweep:
                if point.along == along:
                    server_title = outcome.titles[point.server]
                    series.setdefault(server_title, []).append((point.count, getattr(point.figures, figure)))
            charts.append(Lines(f"{unit}, by {along}", along, series, along == CONNECTIONS))
    return lines(charts, "How cost grows with the size of a list and the number of connections")
