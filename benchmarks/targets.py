"""The targets: ratios of CPU a request at 32 connections, all out of one run; and two figures that are none."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.figures import Figures, Key
from benchmarks.fleet import GRPC
from benchmarks.servers import BARE, FLOOR, OURS

__all__ = ["Verdict", "verdicts"]

BUSY = 32
"""The connections that targets are about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was measured, and whether that meets it; None where it was not measured."""

    target: str
    measured: float | None
    unit: str
    met: bool | None


def verdicts(
    cpu: Mapping[Key, Figures], cold: Mapping[str, float], resident: Mapping[str, int], ours: str = OURS
) -> Iterator[Verdict]:
    """Each target for one variant of the gateway; `cold` in seconds, `resident` in bytes."""

    def ratio(operation: str, other: str, other_operation: str | None = None) -> float | None:
        top = cpu.get((ours, operation, BUSY))
        bottom = cpu.get((other, other_operation or operation, BUSY))
        return top.cpu / bottom.cpu if top and bottom else None

    def best(operation: str) -> float | None:
        mine = cpu.get((ours, operation, BUSY))
        rest = [
            one.cpu
            for (name, asked, connections), one in cpu.items()
            if (asked, connections) == (operation, BUSY) and not name.startswith(OURS) and name != FLOOR
        ]
        return min(rest) / mine.cpu if mine and rest else None

    def inverse(value: float | None) -> float | None:
        return None if value is None else 1 / value

    most, least = _at_most, _at_least
    yield most(1.25, "user(id): to the hand-written handler", ratio("user", FLOOR))
    yield most(1.0, "user(id): to Mercurius, JIT", ratio("user", "mercurius"))
    yield most(1.5, "user(id): to Tailcall", ratio("user", "tailcall"))
    yield most(0.6, "gRPC GetUser: to GraphQL user(id)", ratio(GRPC, ours, "user"))
    yield least(5.0, "users(50): Mercurius, JIT, to this gateway", inverse(ratio("users", "mercurius")))
    yield most(1.0, "users(50): to Tailcall", ratio("users", "tailcall"))
    yield least(1.5, "users(50), 3 calls: the best peer to this gateway", best("users-equal"))
    yield most(1.0, "updateAccountUser: to Mercurius, JIT", ratio("update", "mercurius"))
    yield most(1.15, "user(id): to the same without steps and measures", ratio("user", BARE) if ours == OURS else None)
    yield most(0.8, "cold start to first answer", cold.get(ours), " s")
    yield most(110.0, "resident after load", resident[ours] / 2**20 if ours in resident else None, " MiB")


def _at_most(limit: float, what: str, measured: float | None, unit: str = "") -> Verdict:
    return _verdict(f"{what}: at most {limit:g}{unit}", measured, unit, lambda value: value <= limit)


def _at_least(limit: float, what: str, measured: float | None, unit: str = "") -> Verdict:
    return _verdict(f"{what}: at least {limit:g}{unit}", measured, unit, lambda value: value >= limit)


def _verdict(target: str, measured: float | None, unit: str, meets: Callable[[float], bool]) -> Verdict:
    return Verdict(target, measured, unit, None if measured is None else meets(measured))
