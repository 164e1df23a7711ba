"""What callers may take of the gateway, as the settings have it."""

from collections.abc import Callable

from gateway.api.capacity import Capacity
from gateway.api.gate import Gate
from gateway.app.observed import Observed
from gateway.app.shared import Shared
from gateway.settings import Settings

__all__ = ["capacity_of"]


def capacity_of(settings: Settings, shared: Shared, observed: Observed, left: Callable[[], float | None]) -> Capacity:
    """The one capacity of both surfaces."""
    own = settings.gate
    gate = Gate(own.at_once, queue=own.queue, patience=own.patience, left=left, observe=observed.gate)
    return Capacity(rates=shared.rates(), gate=gate)
