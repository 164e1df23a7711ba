"""What can happen in one interleaving: some of all possibilities, so that each combination occurs."""

from dataclasses import dataclass
from random import Random

from users.kept.upstream import Traits

from gateway.users.model import UserSource
from gateway.users.reading import KeepMode

__all__ = ["Swarm"]

_TRAITS = (
    Traits(UserSource.ACCOUNT),
    Traits(UserSource.ACCOUNT, dated_changes=False, complete_changes=False, complete_rows=False),
    Traits(UserSource.SOFTWAREONE, whole_seconds=False, complete_rows=False, by_address=True, deletions="unknown"),
    Traits(
        UserSource.SOFTWAREONE,
        dated_changes=False,
        complete_changes=False,
        silent_changes=True,
        by_address=True,
        deletions="silent",
    ),
    Traits(UserSource.RESELLER, tenant="R-1", whole_seconds=True),
    Traits(UserSource.RESELLER, tenant="R-1", whole_seconds=False, silent_changes=True),
)
_TINY = 2_500  # bytes: two or three users


@dataclass(frozen=True)
class Swarm:
    """What can happen in one interleaving: some of all possibilities, so that each combination occurs."""

    traits: Traits
    replicas: int
    mode: KeepMode
    max_bytes: int
    faults: float
    lag: float
    forwards: bool
    wishes: bool
    away: bool
    polls: bool
    steps: int

    @classmethod
    def of(cls, choice: Random) -> "Swarm":
        return cls(
            traits=choice.choice(_TRAITS),
            replicas=choice.choice((1, 2)),
            mode=choice.choice((KeepMode.SHADOW, KeepMode.OFF) + 14 * (KeepMode.ON,)),
            max_bytes=choice.choice((_TINY, 1 << 20, 1 << 20)),
            faults=choice.choice((0.0, 0.0, 0.1, 0.3)),
            lag=choice.choice((0.0, 0.0, 2.0)),
            forwards=choice.random() < 0.35,
            wishes=choice.random() < 0.4,
            away=choice.random() < 0.2,
            polls=choice.random() < 0.6,
            steps=choice.choice((30, 45, 60)),
        )
