"""Formats the results as Markdown tables."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Figures, Key
from benchmarks.outcome import Outcome
from benchmarks.servers import BARE, FLOOR, OURS
from benchmarks.targets import BUSY, Verdict, verdicts

__all__ = ["markdown", "table"]

_EMPTY = ""


def markdown(outcome: Outcome) -> str:
    """Return one table for each operation, then cold starts and memory, the sweeps and the targets."""
    medians = outcome.medians()
    parts = [_head(outcome)]
    parts += [_operation(outcome, medians, name, title) for name, title in outcome.operations.items()]
    parts += [_running_costs(outcome), _sweeps(outcome), _targets(outcome, medians)]
    if outcome.left_out:
        parts.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in outcome.left_out.items()) + ".")
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(outcome: Outcome) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value)
    return (
        f"{machine}.\n\n"
        f"Medians of {outcome.how['rounds']} rounds of {outcome.how['seconds']:g} s each; the server on one core, load "
        f"and sources on another. CPU is that of the server, per request; "
        f"the ratio is to the hand-written handler's in the same run. "
        f"Compare within a run, not between machines."
    )


def _operation(outcome: Outcome, medians: dict[Key, Figures], name: str, title: str) -> str:
    rows = []
    floor = medians.get((FLOOR, name, BUSY))
    for server, server_title in outcome.titles.items():
        busy, alone = medians.get((server, name, BUSY)), medians.get((server, name, 1))
        if busy is None or alone is None:
            continue
        share = f"{busy.cpu / floor.cpu:.2f}" if floor else _EMPTY
        rows.append(
            [
                server_title,
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
    return table(head, rows)


def _running_costs(outcome: Outcome) -> str:
    rows = [
        [
            server_title,
            f"{outcome.cold[name]:.2f}",
            f"{outcome.resident[name] / 2**20:.0f}" if name in outcome.resident else _EMPTY,
        ]
        for name, server_title in outcome.titles.items()
        if name in outcome.cold
    ]
    return table(["**running it**", "cold start to first answer, s", "resident after load, MiB"], rows)


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
        parts.append(table(["", f"**{along}**", "CPU µs", "requests/s", "p50 · p99 ms"], rows))
    return "\n\n".join(parts)


def _targets(outcome: Outcome, medians: dict[Key, Figures]) -> str:
    """Return the targets, with one column for each variant of the gateway."""
    variants = [name for name in outcome.titles if name.startswith(OURS) and name != BARE]
    verdicts_by_variant = [list(verdicts(medians, outcome.cold, outcome.resident, name)) for name in variants]
    rows = [[row[0].target, *map(_format_verdict, row)] for row in zip(*verdicts_by_variant, strict=True)]
    return table(["**target**", *(outcome.titles[name] for name in variants)], rows)


def _format_verdict(verdict: Verdict) -> str:
    if verdict.measured is None:
        return _EMPTY
    return f"{verdict.measured:.2f}{verdict.unit}, {'met' if verdict.met else '**missed**'}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures; nothing without rows."""
    if not rows:
        return ""

    def lines() -> Iterator[str]:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
        for row in rows:
            yield "| " + " | ".join(row) + " |"

    return "\n".join(lines())
