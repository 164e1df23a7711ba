"""What the embedding program passes to `Gateway` in place of what the settings configure."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.callers.authentication import Authenticate
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.sources.http.credentials import Credentials
from gateway.sources.http.exchange import Transport, TransportLimits

__all__ = ["Overrides", "TransportFactory"]

TransportFactory = Callable[[str, TransportLimits], Transport]
"""Creates the transport of one source, by its name; the gateway closes it."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What replaces a part that the settings configure; None: the configured part is used."""

    authenticate: Authenticate | None = None
    credentials: Credentials | None = None
    transport: TransportFactory | None = None
    clock: Clock = REAL_CLOCK
