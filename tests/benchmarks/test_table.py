"""The results of a run: tables, plots and JSON."""

import orjson

from benchmarks.figures import Figures, Sample
from benchmarks.outcome import CONNECTIONS, Outcome, Point
from benchmarks.plots import comparison, sweeps
from benchmarks.table import markdown


def outcome() -> Outcome:
    result = Outcome(
        machine={"date": "2026-11-22", "python": "CPython 3.11"},
        how={"rounds": 1, "seconds": 0.5},
        titles={"gateway": "this gateway", "floor": "by hand", "tailcall": "Tailcall"},
        operations={"user": "user(id)", "users": "users(50)"},
        left_out={"tailcall": "no C library"},
        cold={"gateway": 0.5, "floor": 0.2},
        resident={"gateway": 128 << 20},
    )
    for server, cpu in (("gateway", 300.0), ("floor", 1200.0)):
        for connections in (32, 1):
            result.samples.append(Sample(server, "user", connections, Figures(1e6 / cpu, cpu, 1.5, 2.5, 1.0)))
        result.sweep.append(Point(server, CONNECTIONS, 1, Figures(10, cpu, 1, 2, 1)))
        result.sweep.append(Point(server, CONNECTIONS, 1000, Figures(10, cpu, 1, 2, 1)))
    return result


def test_the_cheapest_comes_first() -> None:
    """Rows are ordered by CPU and have all figures; a server that was not measured has no row."""
    text = markdown(outcome())
    rows = [line for line in text.splitlines() if line.startswith(("| this gateway", "| by hand"))]
    assert rows[0] == "| this gateway | 300 | 0.25 | 3,333 | 1.5 · 2.5 | 300 | 1.50 · 2.50 | 1.00 · 1.00 |"
    assert rows[1].startswith("| by hand | 1,200 | 1.00 | 833 |")
    assert "| this gateway | 0.50 | 128 |" in rows
    assert "users(50)**" not in text


def test_the_table_has_the_conditions_of_the_run() -> None:
    """The table has machine, date, rounds, targets, and the servers left out with the reason."""
    text = markdown(outcome())
    assert text.startswith("date 2026-11-22, python CPython 3.11.\n")
    assert "Medians of 1 rounds of 0.5 s each" in text
    assert "Left out: tailcall (no C library)." in text
    assert "| user(id): to the hand-written handler: at most 0.75 | 0.25, met |" in text
    assert "| resident after load: at most 85 MiB | 128.00 MiB, **missed** |" in text
    assert "| user(id): to Tailcall: at most 1.1 |  |" in text


def test_json_has_medians_and_every_sample() -> None:
    """The JSON has the medians and every sample."""
    document = orjson.loads(outcome().json())
    assert document["medians"][0] == {
        "server": "gateway",
        "operation": "user",
        "connections": 32,
        "rate": 1e6 / 300,
        "cpu": 300.0,
        "p50": 1.5,
        "p99": 2.5,
        "calls": 1.0,
    }
    assert len(document["samples"]) == len(document["sweep"]) == 4
    assert document["left_out"] == {"tailcall": "no C library"}


def test_plots_show_the_measured_servers() -> None:
    """The plots have one bar for each server and operation, and one line for each server in each chart."""
    assert comparison(outcome()).count("<rect") == 2
    assert sweeps(outcome()).count('<path class="line') == 4
