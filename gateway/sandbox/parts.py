"""The parts of a running sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.sandbox.calls import CallLog
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.credentials import AcceptedTokens
from gateway.sandbox.exchange import SimulatedApi
from gateway.sandbox.faults import Faults
from gateway.sandbox.seeding import Seeding
from gateway.sandbox.store import Store
from gateway.sandbox.webhooks import Webhooks

__all__ = ["SandboxParts"]


@dataclass(frozen=True, slots=True)
class SandboxParts:
    """The parts of a running sandbox, for the thread of its event loop alone."""

    store: Store
    tokens: AcceptedTokens
    apis: Mapping[str, SimulatedApi]
    calls: CallLog
    faults: Faults
    webhooks: Webhooks
    seeding: Seeding
    clock: SandboxClock
