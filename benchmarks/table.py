"""The result as Markdown, for people."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Figures, Key
from benchmarks.outcome import Outcome
from benchmarks.servers import BARE, FLOOR, OURS
from benchmarks.targets import BUSY, Verdict, verdicts

__all__ = ["markdown"]

_NOTHING = ""


def markdown(outcome: Outcome) -> str:
    """One table an operation, then what it costs to run each, the sweeps and the targets."""
    medians = outcome.medians()
    parts = [_head(outcome)]
    parts += [_operation(outcome, medians, name, title) for name, title in outcome.operations.items()]
    parts += [_running(outcome), _sweeps(outcome), _targets(outcome, medians)]
    if outcome.left_out:
        parts.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in outcome.left_out.items()) + ".")
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(outcome: Outcome) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value)
    return (
        f"{machine}.\n\n"
        f"Medians of {outcome.how['rounds']} rounds of {outcome.how['seconds']:g} s each; the server on one core, load "
        f"and sources on another. CPU is the server's own, a request; "
        f"the ratio is to the hand-written handler's in the same run. "
        f"Compare within a run, not between machines."
    )


def _operation(outcome: Outcome, medians: dict[Key, Figures], name: str, title: str) -> str:
    rows = []
    floor = medians.get((FLOOR, name, BUSY))
    for server, told in outcome.titles.items():
        busy, alone = medians.get((server, name, BUSY)), medians.get((server, name, 1))
        if busy is None or alone is None:
            continue
        share = f"{busy.cpu / floor.cpu:.2f}" if floor else _NOTHING
        rows.append(
            [
                told,
                f"{busy.cpu:,.0f}",
                share,
                f"{busy.rate:,.0f}",
                f"{busy.p50:.1f} · {busy.p99:.1f}",
                f"{alone.cpu:,.0f}",
                f"{alone.p50:.2f} · {alone.p99:.2f}",
                f"{busy.calls:.2f} · {alone.calls:.2f}",
            ]
        )
    rows.sort(key=lambda row: int(row[1].replace(",", "")))
    head = [
        f"**{title}**",
        "CPU µs",
        "ratio",
        "requests/s",
        "p50 · p99 ms",
        "CPU µs, 1 connection",
        "p50 · p99 ms, 1 connection",
        f"source calls at {BUSY} · 1",
    ]
    return _table(head, rows)


def _running(outcome: Outcome) -> str:
    rows = [
        [
            told,
            f"{outcome.cold[name]:.2f}",
            f"{outcome.resident[name] / 2**20:.0f}" if name in outcome.resident else _NOTHING,
        ]
        for name, told in outcome.titles.items()
        if name in outcome.cold
    ]
    return _table(["**running it**", "cold start to first answer, s", "resident after load, MiB"], rows)


def _sweeps(outcome: Outcome) -> str:
    parts = []
    for along in dict.fromkeys(point.along for point in outcome.sweep):
        rows = [
            [
                outcome.titles[point.server],
                f"{point.count:,}",
                f"{point.figures.cpu:,.0f}",
                f"{point.figures.rate:,.0f}",
                f"{point.figures.p50:.1f} · {point.figures.p99:.1f}",
            ]
            for point in outcome.sweep
            if point.along == along
        ]
        parts.append(_table(["", f"**{along}**", "CPU µs", "requests/s", "p50 · p99 ms"], rows))
    return "\n\n".join(parts)


def _targets(outcome: Outcome, medians: dict[Key, Figures]) -> str:
    """Each variant of the gateway in a column of its own."""
    ours = [name for name in outcome.titles if name.startswith(OURS) and name != BARE]
    judged = [list(verdicts(medians, outcome.cold, outcome.resident, name)) for name in ours]
    rows = [[several[0].target, *map(_judged, several)] for several in zip(*judged, strict=True)]
    return _table(["**target**", *(outcome.titles[name] for name in ours)], rows)


def _judged(one: Verdict) -> str:
    if one.measured is None:
        return _NOTHING
    return f"{one.measured:.2f}{one.unit}, {'met' if one.met else '**missed**'}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""

    def lines() -> Iterator[str]:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
        for row in rows:
            yield "| " + " | ".join(row) + " |"

    return "\n".join(lines())
