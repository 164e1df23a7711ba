"""The targets: ratios of CPU per request at 32 connections within one run, a cold start and resident memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.figures import Figures, Key
from benchmarks.fleet import CONNECT, GRPC
from benchmarks.servers import BARE, FLOOR, OURS

__all__ = ["Verdict", "verdicts"]

BUSY = 32
"""The number of connections of the targets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, the measured value, and whether it meets the target; both are None where nothing was measured."""

    target: str
    measured: float | None
    unit: str
    met: bool | None


def verdicts(
    cpu: Mapping[Key, Figures], cold: Mapping[str, float], resident: Mapping[str, int], ours: str = OURS
) -> Iterator[Verdict]:
    """Yield each target for one variant of the gateway; `cold` is in seconds, `resident` in bytes."""

    def ratio(operation: str, other: str, other_operation: str | None = None) -> float | None:
        numerator = cpu.get((ours, operation, BUSY))
        denominator = cpu.get((other, other_operation or operation, BUSY))
        return numerator.cpu / denominator.cpu if numerator and denominator else None

    def best(operation: str) -> float | None:
        gateway_figures = cpu.get((ours, operation, BUSY))
        peers_cpu = [
            figures.cpu
            for (name, measured_operation, connections), figures in cpu.items()
            if (measured_operation, connections) == (operation, BUSY) and not name.startswith(OURS) and name != FLOOR
        ]
        return min(peers_cpu) / gateway_figures.cpu if gateway_figures and peers_cpu else None

    def inverse(value: float | None) -> float | None:
        return None if value is None else 1 / value

    yield _at_most(0.75, "user(id): to the hand-written handler", ratio("user", FLOOR))
    yield _at_most(0.75, "user(id): to Mercurius, JIT", ratio("user", "mercurius"))
    yield _at_most(1.1, "user(id): to Tailcall", ratio("user", "tailcall"))
    yield _at_most(0.6, "gRPC GetUser: to GraphQL user(id)", ratio(GRPC, ours, "user"))
    yield _at_most(1.0, "Connect GetUser: to GraphQL user(id)", ratio(CONNECT, ours, "user"))
    yield _at_least(5.0, "users(50): Mercurius, JIT, to this gateway", inverse(ratio("users", "mercurius")))
    yield _at_most(1.0, "users(50): to Tailcall", ratio("users", "tailcall"))
    yield _at_least(1.5, "users(50), 3 calls: the best peer to this gateway", best("users-equal"))
    yield _at_most(1.1, "updateAccountUser: to Mercurius, JIT", ratio("update", "mercurius"))
    yield _at_most(
        1.15, "user(id): to the same without steps and measures", ratio("user", BARE) if ours == OURS else None
    )
    yield _at_most(0.5, "cold start to first answer", cold.get(ours), " s")
    yield _at_most(85.0, "resident after load", resident[ours] / 2**20 if ours in resident else None, " MiB")


def _at_most(limit: float, description: str, measured: float | None, unit: str = "") -> Verdict:
    return _verdict(f"{description}: at most {limit:g}{unit}", measured, unit, lambda value: value <= limit)


def _at_least(limit: float, description: str, measured: float | None, unit: str = "") -> Verdict:
    return _verdict(f"{description}: at least {limit:g}{unit}", measured, unit, lambda value: value >= limit)


def _verdict(target: str, measured: float | None, unit: str, meets: Callable[[float], bool]) -> Verdict:
    return Verdict(target, measured, unit, None if measured is None else meets(measured))
