"""The measuring: everyone in turns, again and again, so that what disturbs the machine disturbs all alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Sample
from benchmarks.fleet import GRPC, Running
from benchmarks.operations import USER, Lookups, Operation, users
from benchmarks.outcome import CONNECTIONS, USERS, Outcome, Point
from benchmarks.servers import FLOOR, OURS
from benchmarks.targets import BUSY

__all__ = ["Fleet", "Plan", "asked", "measure", "sweep", "warm_up"]

Fleet = Mapping[Lookups, Sequence[Running]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often: seconds of one measurement and of warming up, and the points of the sweeps."""

    rounds: int
    seconds: float
    warm: float
    connections: tuple[int, ...] = (BUSY, 1)
    sizes: tuple[int, ...] = ()
    crowds: tuple[int, ...] = ()


def asked(fleet: Fleet, operation: Operation) -> Iterator[Running]:
    """Those that are asked for an operation."""
    for one in fleet[operation.lookups]:
        if one.server.operations is None or operation.name in one.server.operations:
            yield one


def _asked_over_grpc(fleet: Fleet) -> list[Running]:
    return [one for one in fleet[Lookups.BEST] if one.server.grpc]


def warm_up(fleet: Fleet, operations: Sequence[Operation], plan: Plan) -> None:
    """Every server with everything that it will be asked for: code compiled, documents kept, connections open."""
    for operation in operations:
        for one in asked(fleet, operation):
            one.measured(operation, connections=BUSY, seconds=plan.warm)
    for one in _asked_over_grpc(fleet):
        one.measured_over_grpc(connections=BUSY, seconds=plan.warm)


def measure(outcome: Outcome, fleet: Fleet, operations: Sequence[Operation], plan: Plan, say: Say) -> None:
    """The rounds."""
    for number in range(1, plan.rounds + 1):
        say(f"round {number} of {plan.rounds}")
        for operation in operations:
            for connections in plan.connections:
                for one in asked(fleet, operation):
                    figures = one.measured(operation, connections=connections, seconds=plan.seconds)
                    outcome.samples.append(Sample(one.server.name, operation.name, connections, figures))
        for one in _asked_over_grpc(fleet):
            for connections in plan.connections:
                figures = one.measured_over_grpc(connections=connections, seconds=plan.seconds)
                outcome.samples.append(Sample(one.server.name, GRPC, connections, figures))


def sweep(outcome: Outcome, fleet: Fleet, plan: Plan) -> None:
    """Our gateway and the floor: lists that grow, and more and more connections."""
    pair = [one for one in fleet[Lookups.BEST] if one.server.name in {OURS, FLOOR}]
    for size in plan.sizes:
        for one in pair:
            figures = one.measured(users(size), connections=BUSY, seconds=plan.seconds)
            outcome.sweep.append(Point(one.server.name, USERS, size, figures))
    for crowd in plan.crowds:
        for one in pair:
            figures = one.measured(USER, connections=crowd, seconds=plan.seconds)
            outcome.sweep.append(Point(one.server.name, CONNECTIONS, crowd, figures))
