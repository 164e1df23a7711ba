"""What happened in an incident, for the tests that compare the answers with it."""

from dataclasses import dataclass, field

__all__ = ["Addresses", "Facts", "Phase"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs of the gateway and of its admin port, `host:port` of gRPC, and the URL that controls the sandbox."""

    http: str
    admin: str
    grpc: str
    control: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in seconds since 1970 within which something was so."""

    start: float
    end: float


@dataclass(slots=True)
class Facts:
    """What was done: phases and times, ids of requests as their responses contained them, and numbers.

    `account_address` is the host and port of the account source.
    """

    phases: dict[str, Phase] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    account_address: str = ""
