"""Runs the benchmark: install, start, check, warm up, measure, sweep."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from benchmarks import machine, peers, tailcall
from benchmarks.agreement import check
from benchmarks.fleet import CONNECT, GRPC, Cores, RunningServer, start_server
from benchmarks.nginx import run_sources
from benchmarks.operations import OPERATIONS, Lookups
from benchmarks.outcome import Outcome
from benchmarks.processes import FailedStartError
from benchmarks.rounds import Fleet, Plan, measure, participants, sweep, warm_up
from benchmarks.servers import FLOOR, OURS, Server
from benchmarks.source_responses import record

__all__ = ["run"]

_PAGE_SIZE = 50
_STARTS = 3

Start = Callable[[Server, Lookups], AbstractContextManager[RunningServer]]


def run(selected: Sequence[Server], plan: Plan) -> Outcome:
    """Compare these servers.

    Raises:
        FailedStartError: nginx, the gateway or the floor did not start; a peer that does not start is left out.
        DisagreementError: the servers return different data.
        LoadError: a response under load was wrong.
    """
    cores = _cores()
    outcome = Outcome(
        machine.describe_machine(),
        {"rounds": plan.rounds, "seconds": plan.seconds},
        {server.name: server.title for server in selected},
        {operation.name: operation.title for operation in OPERATIONS}
        | {GRPC: "gRPC GetUser", CONNECT: "Connect GetUser"},
        _install_peers(selected),
    )
    # One more than the size shows a server that there are more users.
    sizes = {size + extra for size in (*plan.sizes, _PAGE_SIZE) for extra in (0, 1)}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        os.sched_setaffinity(0, {cores.load})
        source_responses = record(max(sizes) + 1)
        sources = stack.enter_context(run_sources(source_responses, sizes, core=cores.load, folder=folder))
        start = partial(start_server, sources=sources, cores=cores, folder=folder)
        fleet = _fleet(stack, selected, outcome, start, min(plan.rounds, _STARTS))
        for operation in OPERATIONS:
            check(operation, participants(fleet, operation))
        _report("all servers agree; warming up")
        warm_up(fleet, OPERATIONS, plan)
        measure(outcome, fleet, OPERATIONS, plan, _report)
        outcome.resident |= {running.server.name: running.resident_bytes() for running in fleet[Lookups.BEST]}
        _report("sweeps")
        sweep(outcome, fleet, plan)
    return outcome


def _cores() -> Cores:
    available = sorted(os.sched_getaffinity(0))
    if len(available) == 1:
        _report("only one core: servers, sources and load share it, and the figures are not reliable")
    return Cores(available[0], available[-1])


def _install_peers(selected: Sequence[Server]) -> dict[str, str]:
    """Install the selected peers; return those that could not be installed, with the reason."""
    if not any(server.peer for server in selected):
        return {}
    _report("installing the peers")
    peers.install()
    if any(server.name == "tailcall" for server in selected):
        try:
            tailcall.fetch_glibc()
        except (OSError, subprocess.SubprocessError) as error:
            return {"tailcall": f"its C library could not be fetched: {error}"}
    return {}


def _fleet(stack: ExitStack, selected: Sequence[Server], outcome: Outcome, start: Start, starts: int) -> Fleet:
    """Start each server, once for each kind of lookups, after measuring its cold starts."""
    fleet: dict[Lookups, list[RunningServer]] = {lookups: [] for lookups in Lookups}
    for server in selected:
        if server.name in outcome.left_out:
            continue
        _report(f"starting {server.title}")
        try:
            outcome.cold[server.name] = _cold_start(server, start, starts)
            for lookups in Lookups:
                if lookups is Lookups.BEST or server.operations is None:
                    fleet[lookups].append(stack.enter_context(start(server, lookups)))
        except (FailedStartError, subprocess.SubprocessError) as error:
            if server.name in {OURS, FLOOR}:
                raise
            _report(f"left out: {error}")
            lines = str(error).splitlines()
            outcome.left_out[server.name] = ": ".join(dict.fromkeys((lines[0], lines[-1])))
    return fleet


def _cold_start(server: Server, start: Start, times: int) -> float:
    """Return the median seconds to the first correct response, after one start that fills the caches of the machine."""
    seconds = []
    for _ in range(times + 1):
        with start(server, Lookups.BEST) as running:
            seconds.append(running.cold_start)
    return statistics.median(seconds[1:])


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
