"""Compares two checkouts of this repository: CPU per request, as ratios of consecutive short measurements."""

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import orjson

from benchmarks import machine
from benchmarks.fleet import Cores, RunningServer, start_server
from benchmarks.load import LoadError
from benchmarks.nginx import run_sources
from benchmarks.operations import EQUAL, UPDATE, USER, USERS, Lookups, Operation
from benchmarks.pairs import Ratio, Spent, alternate, ratios
from benchmarks.servers import LEAN, gateway_server, keeping_settings, of_checkout
from benchmarks.source_responses import record
from benchmarks.table import table
from benchmarks.targets import BUSY

__all__ = ["CommitsOutcome", "Pair", "markdown", "pairs", "run"]

BEFORE, AFTER = "before", "after"
_STARTS = 3
_WARM_UP = 1.5  # seconds: code is compiled, documents are cached, every user is kept afterwards
_REFERENCE = "user(id)"
_HOW = """CPU per request at {busy} connections: the median of the ratios of {rounds} rounds of {seconds:g} s, their
quartiles in brackets, after {starts} starts of all processes. Each row compares the second folder with the first one.
`{reference}` in the last column is that of the first folder, with the same HTTP."""

Measure = Callable[[RunningServer, float], Spent]
Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: the measurement, the settings of the gateway, and the kind of lookups."""

    title: str
    measure: Measure
    settings: Mapping[str, str] = field(default_factory=dict)
    lookups: Lookups = Lookups.BEST


@dataclass(slots=True)
class CommitsOutcome:
    """The results by title of a pair: the ratios to `before`, and the µs of `after` to those of `user(id)` before."""

    machine: Mapping[str, str]
    folders: Mapping[str, str]
    rounds: int
    seconds: float
    results: dict[str, dict[str, Ratio]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def json(self) -> bytes:
        """Return the results as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _operation(operation: Operation) -> Measure:
    return lambda running, seconds: running.spend(operation, connections=BUSY, seconds=seconds)


def _connect(running: RunningServer, seconds: float) -> Spent:
    return running.spend_connect(connections=BUSY, seconds=seconds)


def _grpc(running: RunningServer, seconds: float) -> Spent:
    return running.spend_grpc(connections=BUSY, seconds=seconds)


def pairs() -> list[Pair]:
    """Return what is compared; `user(id)` first."""
    return [
        Pair(_REFERENCE, _operation(USER), LEAN),
        Pair(USERS.title, _operation(USERS), LEAN),
        Pair(EQUAL.title, _operation(EQUAL), LEAN, Lookups.LISTS),
        Pair(UPDATE.title, _operation(UPDATE), LEAN),
        Pair("user(id), kept", _operation(USER), {**LEAN, **keeping_settings()}),
        Pair("Connect GetUser", _connect, LEAN),
        Pair("gRPC GetUser", _grpc, LEAN),
        Pair("user(id), as installed", _operation(USER)),
    ]


def run(before: Path, after: Path, rounds: int, seconds: float, report: Report) -> CommitsOutcome:
    """Measure all pairs.

    Raises:
        FailedStartError: nginx or a gateway did not start.
        LoadError: a response of both was wrong; what only one of them can do is left out, with its figure.
    """
    folders = {BEFORE: before, AFTER: after}
    outcome = CommitsOutcome(
        machine.describe_machine(), {name: str(folder) for name, folder in folders.items()}, rounds, seconds
    )
    available = sorted(os.sched_getaffinity(0))
    cores = Cores(available[0], available[-1])
    measured: dict[str, dict[str, list[Spent]]] = {}
    starts = min(rounds, _STARTS)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as path, ExitStack() as stack:
        folder = Path(path)
        os.sched_setaffinity(0, {cores.load})
        sources = stack.enter_context(run_sources(record(52), {50, 51}, core=cores.load, folder=folder))
        for _ in range(starts):
            for pair in pairs():
                report(f"measuring {pair.title}")
                with ExitStack() as fleet:
                    running = {
                        name: fleet.enter_context(
                            start_server(
                                of_checkout(gateway_server(name, pair.settings), checkout),
                                pair.lookups,
                                sources,
                                cores,
                                folder,
                            )
                        )
                        for name, checkout in folders.items()
                    }
                    able = [name for name in running if _warm_up(pair, name, running[name], outcome)]
                    measure = partial(_measure, pair, running, seconds)
                    for name, spent in alternate(able, measure, ceil(rounds / starts)).items():
                        measured.setdefault(pair.title, {}).setdefault(name, []).extend(spent)
    for title, spent_by_name in measured.items():
        if spent_by_name:
            outcome.results[title] = ratios(spent_by_name, BEFORE if BEFORE in spent_by_name else AFTER)
    return outcome


def _measure(pair: Pair, running: Mapping[str, RunningServer], seconds: float, name: str) -> Spent:
    return pair.measure(running[name], seconds)


def _warm_up(pair: Pair, name: str, running: RunningServer, outcome: CommitsOutcome) -> bool:
    """Return whether the gateway of a folder can execute the operation."""
    try:
        pair.measure(running, _WARM_UP)
    except LoadError as error:
        outcome.left_out[f"{pair.title}, {name}"] = " ".join(str(error).split())[:120]
        return False
    return True


def markdown(outcome: CommitsOutcome) -> str:
    """Return the table of all pairs."""
    lean, installed = (outcome.results.get(title) for title in (_REFERENCE, f"{_REFERENCE}, as installed"))
    rows = []
    for title, by_name in outcome.results.items():
        reference = installed if title.endswith("as installed") else lean
        before, after = by_name.get(BEFORE), by_name.get(AFTER)
        compared = f"**{after.ratio:.3f}** ({after.low:.2f} to {after.high:.2f})" if before and after else ""
        to_reference = f"{after.cpu / reference[BEFORE].cpu:.3f}" if after and reference and BEFORE in reference else ""
        cells = [f"{each.cpu:,.0f}" if each else "" for each in (before, after)]
        rows.append([title, *cells, compared, to_reference])
    how = _HOW.format(
        busy=BUSY,
        rounds=outcome.rounds,
        seconds=outcome.seconds,
        starts=min(outcome.rounds, _STARTS),
        reference=_REFERENCE,
    )
    head = ["", *(f"{name}, µs" for name in (BEFORE, AFTER)), "ratio", f"to `{_REFERENCE}` before"]
    parts = [
        ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value) + ".",
        how,
        "\n".join(f"- {name}: {folder}" for name, folder in outcome.folders.items()),
        table(head, rows),
    ]
    if outcome.left_out:
        parts.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in outcome.left_out.items()) + ".")
    return "\n\n".join(parts) + "\n"
