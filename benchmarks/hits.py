"""The cost of a hit: users and lists that are kept, here and in the caches of the peers, as CPU per request.

All servers are measured alternately, in short measurements, and compared with this gateway on lean HTTP that keeps
nothing. The requests repeat: each server answers nearly all of them by what it keeps, which is checked by the number of
calls.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path

import orjson

from benchmarks import machine, peers, tailcall
from benchmarks.agreement import DisagreementError, check
from benchmarks.fleet import Cores, RunningServer, start_server
from benchmarks.load import LoadError
from benchmarks.nginx import run_sources
from benchmarks.operations import USER, USERS, Lookups, Operation
from benchmarks.pairs import Ratio, Spent, alternate, ratios
from benchmarks.processes import FailedStartError
from benchmarks.servers import LEAN, Server, gateway_server, keeping_peers, keeping_settings
from benchmarks.source_responses import record
from benchmarks.table import table
from benchmarks.targets import BUSY

__all__ = ["HitsOutcome", "markdown", "run"]

KEEPING_NOTHING, KEEPING = "gateway, lean HTTP", "gateway, lean HTTP, keeping"
_KEEPING_NOTHING_AIOHTTP, _KEEPING_AIOHTTP = "gateway, aiohttp", "gateway, aiohttp, keeping"
_JAVASCRIPT = ("mercurius", "apollo", "yoga", "hive")
_USERS, _LISTS = 1000, 64  # that are requested: more than connections, so that no two read the same at a time
_MAX_CALLS = 0.02  # for each request of a server that keeps something
_OWN_COST = 0.6  # the target for the share of the cost without keeping
_STARTS = 2
_WARM_UP, _REFILL = 2.0, 0.3  # seconds at the beginning, and before each measurement

OPERATIONS = (
    replace(USER, variables=lambda n: USER.variables(n % _USERS), calls=None),
    replace(USERS, variables=lambda n: USERS.variables(n % _LISTS), calls=None),
)

_HOW = """CPU per request at {busy} connections, as the median of {rounds} rounds of {seconds:g} s, in which all servers
are measured alternately, and the median of the ratios to `{baseline}` in the same round, with their quartiles in
brackets. All processes are started {starts} times. Requested are {users:,} users, and {lists} lists of 50 users with
the lookups of their roles and departments. The caches of the peers keep everything for 10 minutes; this gateway keeps
users for 10 minutes, lists for 5 s and roles and departments for 30 s, and polls the changes of its source every 5 s.
Each measurement follows one that is not counted, so that it has hits only, but for these polls."""

Report = Callable[[str], object]


@dataclass(slots=True)
class HitsOutcome:
    """The results: by title of an operation and name of a server, the ratios and the source calls per request."""

    machine: Mapping[str, str]
    rounds: int
    seconds: float
    titles: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, Ratio]] = field(default_factory=dict)
    calls: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def json(self) -> bytes:
        """Return the results as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def servers() -> list[Server]:
    """Return the servers, the baseline first."""
    return [
        gateway_server(KEEPING_NOTHING, LEAN),
        gateway_server(KEEPING, {**LEAN, **keeping_settings()}),
        gateway_server(_KEEPING_NOTHING_AIOHTTP, {}),
        gateway_server(_KEEPING_AIOHTTP, keeping_settings()),
        *keeping_peers(),
    ]


def run(rounds: int, seconds: float, report: Report) -> HitsOutcome:
    """Measure all servers.

    Raises:
        FailedStartError: nginx or the gateway did not start; a peer that does not start is left out.
        DisagreementError: the servers return different data, or one that keeps something calls the source.
        LoadError: a response under load was wrong.
    """
    peers.install()
    outcome = HitsOutcome(machine.describe_machine(), rounds, seconds)
    available = sorted(os.sched_getaffinity(0))
    cores = Cores(available[0], available[-1])
    measured: dict[str, dict[str, list[Spent]]] = {operation.title: {} for operation in OPERATIONS}
    calls: dict[str, dict[str, list[float]]] = {operation.title: {} for operation in OPERATIONS}
    try:
        tailcall.fetch_glibc()
    except (OSError, subprocess.SubprocessError) as error:
        outcome.left_out["tailcall"] = f"its C library could not be fetched: {error}"
    with tempfile.TemporaryDirectory(prefix="benchmark-") as path, ExitStack() as stack:
        folder = Path(path)
        os.sched_setaffinity(0, {cores.load})
        sources = stack.enter_context(run_sources(record(52), {50, 51}, core=cores.load, folder=folder))
        start = partial(start_server, lookups=Lookups.BEST, sources=sources, cores=cores, folder=folder)
        for _ in range(_STARTS):
            with ExitStack() as fleet:
                running = _start(fleet, outcome, start, report)
                for operation in OPERATIONS:
                    report(f"measuring {operation.title}")
                    check(operation, running.values())
                    able = [name for name, each in running.items() if _warm_up(each, operation, outcome)]
                    measure = partial(_measure, operation, running, calls[operation.title], seconds)
                    for name, spent in alternate(able, measure, ceil(rounds / _STARTS)).items():
                        measured[operation.title].setdefault(name, []).extend(spent)
    for title, by_server in measured.items():
        complete = {name: spent for name, spent in by_server.items() if name not in outcome.left_out}
        outcome.results[title] = ratios(complete, KEEPING_NOTHING)
        outcome.calls[title] = {name: sum(calls[title][name]) / len(calls[title][name]) for name in complete}
    _check_hits(outcome)
    return outcome


def _start(
    fleet: ExitStack,
    outcome: HitsOutcome,
    start: Callable[[Server], AbstractContextManager[RunningServer]],
    report: Report,
) -> dict[str, RunningServer]:
    """Start the servers that are not left out."""
    running: dict[str, RunningServer] = {}
    for server in servers():
        if server.name in outcome.left_out:
            continue
        report(f"starting {server.title}")
        outcome.titles[server.name] = server.title
        try:
            running[server.name] = fleet.enter_context(start(server))
        except (FailedStartError, subprocess.SubprocessError) as error:
            if not server.peer:
                raise
            lines = str(error).splitlines()
            outcome.left_out[server.name] = ": ".join(dict.fromkeys((lines[0], lines[-1])))
    return running


def _warm_up(running: RunningServer, operation: Operation, outcome: HitsOutcome) -> bool:
    """Return whether the server executes the operation under load; a peer that does not is left out."""
    try:
        running.spend(operation, connections=BUSY, seconds=_WARM_UP)
    except LoadError as error:
        if not running.server.peer:
            raise
        outcome.left_out[f"{operation.title} of {running.server.title}"] = str(error)
        return False
    return True


def _measure(
    operation: Operation, running: Mapping[str, RunningServer], calls: dict[str, list[float]], seconds: float, name: str
) -> Spent:
    """Measure one server, and add its calls per request to `calls`."""
    each = running[name]
    repeated = 0
    while repeated < _LISTS:  # while the others were measured, what is kept for a few seconds has expired
        repeated += each.spend(operation, connections=BUSY, seconds=_REFILL).requests
    before = each.sources.calls()
    spent = each.spend(operation, connections=BUSY, seconds=seconds)
    calls.setdefault(name, []).append((each.sources.calls() - before) / spent.requests)
    return spent


def _check_hits(outcome: HitsOutcome) -> None:
    for title, by_server in outcome.calls.items():
        for name, share in by_server.items():
            if share > _MAX_CALLS and name not in {KEEPING_NOTHING, _KEEPING_NOTHING_AIOHTTP}:
                raise DisagreementError(f"{title}: {outcome.titles[name]} makes {share:.3f} calls a request")


def markdown(outcome: HitsOutcome) -> str:
    """Return one table for each operation, and the targets."""
    how = _HOW.format(
        busy=BUSY,
        rounds=outcome.rounds,
        seconds=outcome.seconds,
        baseline=KEEPING_NOTHING,
        starts=_STARTS,
        users=_USERS,
        lists=_LISTS,
    )
    parts = [
        ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value) + ".",
        how,
        *(_table(outcome, title, results) for title, results in outcome.results.items()),
        table(["**target**", "measured", ""], list(_verdicts(outcome))),
    ]
    if outcome.left_out:
        parts.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in outcome.left_out.items()) + ".")
    return "\n\n".join(parts) + "\n"


def _table(outcome: HitsOutcome, title: str, results: Mapping[str, Ratio]) -> str:
    rows = [
        [
            outcome.titles[name],
            f"{ratio.cpu:,.0f}",
            f"**{ratio.ratio:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})",
            f"{outcome.calls[title][name]:.4f}",
        ]
        for name, ratio in sorted(results.items(), key=lambda item: item[1].ratio)
    ]
    return table([f"**{title}**", "CPU µs", "ratio", "source calls"], rows)


def _verdicts(outcome: HitsOutcome) -> Iterator[list[str]]:
    for title, results in outcome.results.items():
        ratio = results[KEEPING].ratio
        met = "met" if ratio <= _OWN_COST else "**missed**"
        yield [f"{title}: a hit at most {_OWN_COST:g} of the cost without keeping, lean HTTP", f"{ratio:.2f}", met]
        compared = {name: results[name].ratio for name in _JAVASCRIPT if name in results}
        if compared:
            best = min(compared, key=compared.__getitem__)
            to_best = ratio / compared[best]
            met = "met" if to_best < 1 else "**missed**"
            yield [f"{title}: a hit ahead of every peer in JavaScript", f"{to_best:.2f} of {outcome.titles[best]}", met]
