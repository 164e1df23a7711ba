"""What replicas have in common: stores in memory and in Redis, and the execution of a change at most once.

Part of the public API: an embedding program passes a `State` of its own to `Gateway(state=…)`.
"""

from gateway.kit.documents import DocumentStore
from gateway.kit.event_stream import EventStream, Report
from gateway.kit.polling_lock import DatedPollingLock, PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.state.idempotency import (
    BeginResult,
    Begun,
    IdempotencySettings,
    IdempotencyStore,
    InProgress,
    PayloadConflict,
    Progress,
    Replay,
)
from gateway.state.memory.state import MemoryState
from gateway.state.rate_limit import RateSettings
from gateway.state.replicas import Replicas
from gateway.state.state import State

__all__ = [
    "BeginResult",
    "Begun",
    "DatedPollingLock",
    "DocumentStore",
    "EventStream",
    "IdempotencySettings",
    "IdempotencyStore",
    "InProgress",
    "MemoryState",
    "PayloadConflict",
    "PollingLock",
    "Progress",
    "RateLimit",
    "RateSettings",
    "Replay",
    "Replicas",
    "Report",
    "State",
]
