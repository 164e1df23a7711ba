"""One run from start to end: install, start, check, warm up, measure, sweep."""

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
from benchmarks.answers import record
from benchmarks.fleet import GRPC, Cores, Running, started
from benchmarks.nginx import serving_sources
from benchmarks.operations import OPERATIONS, Lookups
from benchmarks.outcome import Outcome
from benchmarks.processes import FailedStartError
from benchmarks.rounds import Fleet, Plan, asked, measure, sweep, warm_up
from benchmarks.servers import FLOOR, OURS, Server

__all__ = ["run"]

_LISTED = 50
_STARTS = 3

Start = Callable[[Server, Lookups], AbstractContextManager[Running]]


def run(chosen: Sequence[Server], plan: Plan) -> Outcome:
    """Compare these servers.

    Raises:
        FailedStartError: nginx, one of ours or the floor does not start; a peer that does not is left out.
        DisagreementError: not all say the same.
        LoadError: a wrong answer under load.
    """
    cores = _cores()
    outcome = Outcome(
        machine.described(),
        {"rounds": plan.rounds, "seconds": plan.seconds},
        {one.name: one.title for one in chosen},
        {one.name: one.title for one in OPERATIONS} | {GRPC: "gRPC GetUser"},
        _installed(chosen),
    )
    sizes = {size + more for size in (*plan.sizes, _LISTED) for more in (0, 1)}  # one more tells that there are more
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        os.sched_setaffinity(0, {cores.load})
        answers = record(max(sizes) + 1)
        sources = stack.enter_context(serving_sources(answers, sizes, core=cores.load, folder=folder))
        start = partial(started, sources=sources, cores=cores, folder=folder)
        fleet = _fleet(stack, chosen, outcome, start, min(plan.rounds, _STARTS))
        for operation in OPERATIONS:
            check(operation, asked(fleet, operation))
        _say("everyone agrees; warming up")
        warm_up(fleet, OPERATIONS, plan)
        measure(outcome, fleet, OPERATIONS, plan, _say)
        outcome.resident |= {one.server.name: one.resident_bytes() for one in fleet[Lookups.BEST]}
        _say("sweeps")
        sweep(outcome, fleet, plan)
    return outcome


def _cores() -> Cores:
    own = sorted(os.sched_getaffinity(0))
    if len(own) == 1:
        _say("one core only: servers, sources and load share it, and the figures are worth little")
    return Cores(own[0], own[-1])


def _installed(chosen: Sequence[Server]) -> dict[str, str]:
    """Install the peers that are asked for; those that cannot be, and why."""
    if not any(one.peer for one in chosen):
        return {}
    _say("installing the peers")
    peers.install()
    if any(one.name == "tailcall" for one in chosen):
        try:
            tailcall.fetch_glibc()
        except (OSError, subprocess.SubprocessError) as error:
            return {"tailcall": f"its C library could not be fetched: {error}"}
    return {}


def _fleet(stack: ExitStack, chosen: Sequence[Server], outcome: Outcome, start: Start, starts: int) -> Fleet:
    """Everyone, once a way of looking up; started often enough before for a median."""
    fleet: dict[Lookups, list[Running]] = {lookups: [] for lookups in Lookups}
    for server in chosen:
        if server.name in outcome.left_out:
            continue
        _say(f"starting {server.title}")
        try:
            outcome.cold[server.name] = _cold_start(server, start, starts)
            for lookups in Lookups:
                if lookups is Lookups.BEST or server.operations is None:
                    fleet[lookups].append(stack.enter_context(start(server, lookups)))
        except (FailedStartError, subprocess.SubprocessError) as error:
            if server.name in {OURS, FLOOR}:
                raise
            _say(f"left out: {error}")
            told = str(error).splitlines()
            outcome.left_out[server.name] = ": ".join(dict.fromkeys((told[0], told[-1])))
    return fleet


def _cold_start(server: Server, start: Start, times: int) -> float:
    """Seconds to the first right answer: the median of so many starts, after one that fills the system's caches."""
    seconds = []
    for _ in range(times + 1):
        with start(server, Lookups.BEST) as one:
            seconds.append(one.cold_start)
    return statistics.median(seconds[1:])


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
