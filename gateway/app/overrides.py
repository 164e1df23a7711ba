"""What the embedding program passes to `Gateway` in place of what the settings configure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.callers.authentication import Authenticate
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.sources.http.credentials import Credentials
from gateway.sources.http.exchange import TransportFactory
from gateway.state.state import State
from gateway.users.source import Source

__all__ = ["Overrides"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What replaces a part that the settings configure; None: the configured part is used.

    Each of the `sources` replaces the configured one of its name.
    """

    authenticate: Authenticate | None = None
    credentials: Credentials | None = None
    transport: TransportFactory | None = None
    sources: Sequence[Source] = ()
    clock: Clock = REAL_CLOCK
    state: State | None = None
