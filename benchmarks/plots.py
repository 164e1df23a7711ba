"""The two drawings of a run: CPU a request as bars, the sweeps as lines."""

from benchmarks.figures import Figures, Key
from benchmarks.fleet import GRPC
from benchmarks.operations import USER
from benchmarks.outcome import CONNECTIONS, Outcome
from benchmarks.servers import OURS
from benchmarks.svg import Bar, Bars, Lines, bars, lines
from benchmarks.targets import BUSY

__all__ = ["comparison", "sweeps"]


def comparison(outcome: Outcome) -> str:
    """CPU a request of every server, by operation."""
    medians = outcome.medians()
    unit = f"CPU µs a request at {BUSY} connections, less is better"
    groups = [
        Bars(title, unit, _bars(outcome, medians, operation))
        for operation, title in outcome.operations.items()
        if operation != GRPC
    ]
    return bars([group for group in groups if group.bars], "CPU time a request, by server and operation")


def _bars(outcome: Outcome, medians: dict[Key, Figures], operation: str) -> list[Bar]:
    """One a server; the same read over gRPC stands beside the one over GraphQL."""
    found = []
    for name, told in outcome.titles.items():
        if (name, operation, BUSY) in medians:
            found.append(Bar(told, medians[name, operation, BUSY].cpu, name.startswith(OURS)))
        if operation == USER.name and (name, GRPC, BUSY) in medians:
            found.append(Bar(f"{told}, gRPC", medians[name, GRPC, BUSY].cpu, name.startswith(OURS)))
    return found


def sweeps(outcome: Outcome) -> str:
    """How CPU and latency grow."""
    charts = []
    for along in dict.fromkeys(point.along for point in outcome.sweep):
        for what, unit in (("cpu", "CPU µs a request"), ("p99", "p99 ms")):
            series: dict[str, list[tuple[float, float]]] = {}
            for point in outcome.sweep:
                if point.along == along:
                    told = outcome.titles[point.server]
                    series.setdefault(told, []).append((point.count, getattr(point.figures, what)))
            charts.append(Lines(f"{unit}, by {along}", along, series, along == CONNECTIONS))
    return lines(charts, "How cost grows with the size of a list and the number of connections")
