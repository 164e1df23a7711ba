"""Measures all servers alternately in several rounds, so that disturbances of the machine affect all equally."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Sample
from benchmarks.fleet import CONNECT, GRPC, RunningServer
from benchmarks.operations import USER, Lookups, Operation, users
from benchmarks.outcome import CONNECTIONS, USERS, Outcome, Point
from benchmarks.servers import FLOOR, OURS
from benchmarks.targets import BUSY

__all__ = ["Fleet", "Plan", "measure", "participants", "sweep", "warm_up"]

Fleet = Mapping[Lookups, Sequence[RunningServer]]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of rounds, the seconds of a measurement and of a warm-up, and the points of the sweeps."""

    rounds: int
    seconds: float
    warm_up: float
    connections: tuple[int, ...] = (BUSY, 1)
    sizes: tuple[int, ...] = ()
    connection_counts: tuple[int, ...] = ()


def participants(fleet: Fleet, operation: Operation) -> Iterator[RunningServer]:
    """Yield the servers that execute an operation."""
    for running in fleet[operation.lookups]:
        if running.server.operations is None or operation.name in running.server.operations:
            yield running


def _grpc_participants(fleet: Fleet) -> list[RunningServer]:
    return [running for running in fleet[Lookups.BEST] if running.server.grpc]


def warm_up(fleet: Fleet, operations: Sequence[Operation], plan: Plan) -> None:
    """Run each operation on each server: code is compiled, documents are cached, connections are open afterwards."""
    for operation in operations:
        for running in participants(fleet, operation):
            running.measure(operation, connections=BUSY, seconds=plan.warm_up)
    for running in _grpc_participants(fleet):
        running.measure_grpc(connections=BUSY, seconds=plan.warm_up)
        running.measure_connect(connections=BUSY, seconds=plan.warm_up)


def measure(outcome: Outcome, fleet: Fleet, operations: Sequence[Operation], plan: Plan, report: Report) -> None:
    """Run the rounds, and add their samples to the outcome."""
    for number in range(1, plan.rounds + 1):
        report(f"round {number} of {plan.rounds}")
        for operation in operations:
            for connections in plan.connections:
                for running in participants(fleet, operation):
                    figures = running.measure(operation, connections=connections, seconds=plan.seconds)
                    outcome.samples.append(Sample(running.server.name, operation.name, connections, figures))
        for running in _grpc_participants(fleet):
            for connections in plan.connections:
                figures = running.measure_grpc(connections=connections, seconds=plan.seconds)
                outcome.samples.append(Sample(running.server.name, GRPC, connections, figures))
                figures = running.measure_connect(connections=connections, seconds=plan.seconds)
                outcome.samples.append(Sample(running.server.name, CONNECT, connections, figures))


def sweep(outcome: Outcome, fleet: Fleet, plan: Plan) -> None:
    """Measure the gateway and the floor with growing lists and with more and more connections."""
    compared = [running for running in fleet[Lookups.BEST] if running.server.name in {OURS, FLOOR}]
    for size in plan.sizes:
        for running in compared:
            figures = running.measure(users(size), connections=BUSY, seconds=plan.seconds)
            outcome.sweep.append(Point(running.server.name, USERS, size, figures))
    for connections in plan.connection_counts:
        for running in compared:
            figures = running.measure(USER, connections=connections, seconds=plan.seconds)
            outcome.sweep.append(Point(running.server.name, CONNECTIONS, connections, figures))
