"""The status of a gateway process as a value: what `/status` and `gateway status` show.

Times are ISO 8601 in UTC. The names of the fields are those of the JSON (docs/status.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = [
    "Budget",
    "CallerStatus",
    "ConnectionCounts",
    "EventLoopStatus",
    "FailureStatus",
    "FeedStatus",
    "Figures",
    "KeptSource",
    "KeptStatus",
    "LeftOutSource",
    "OperationStatus",
    "Process",
    "Replica",
    "ShadowStatus",
    "SourceStatus",
    "StateStatus",
    "Status",
    "TrafficInterval",
    "TrafficStatus",
    "WarningStatus",
]


class Figures(msgspec.Struct, frozen=True):
    """Requests or calls of some time: how many, how many of them failed, and how long they took."""

    count: int
    failed: int
    per_second: float
    median_ms: float | None
    p95_ms: float | None


class TrafficInterval(msgspec.Struct, frozen=True):
    """The requests or calls that ended in one interval of ten seconds, which begins at `start`."""

    start: str
    count: int
    failed: int
    median_ms: float | None
    p95_ms: float | None


class TrafficStatus(msgspec.Struct, frozen=True):
    """Requests or calls of the last minutes. `intervals` leaves out the intervals without any; oldest first."""

    last_minute: Figures
    last_ten_minutes: Figures
    intervals: Sequence[TrafficInterval]


class Process(msgspec.Struct, frozen=True):
    """The process.

    `state` is `ready`, `not ready` (no source can be called) or `stopping`. `replica` is a random id of the process,
    `schema` the start of the SHA-256 hash of the GraphQL schema.
    """

    state: str
    replica: str
    host: str
    version: str
    python: str
    schema: str
    environment: str
    started: str
    uptime_seconds: float


class Budget(msgspec.Struct, frozen=True):
    """The rate limit of a source in this process: `limit` calls, of which `left` can be made now.

    Both are None where the source has no rate limit, and `limit` also during a pause after a 429. `waiting` calls wait
    for their turn.
    """

    limit: int | None
    left: int | None
    waiting: int


class FailureStatus(msgspec.Struct, frozen=True):
    """The last call to a source that failed, with its code and its cause for operators, which contains no secret."""

    time: str
    code: str
    cause: str


class SourceStatus(msgspec.Struct, frozen=True):
    """A source. `calls` counts each attempt by itself; `circuit` is `closed`, `half_open` or `open`."""

    name: str
    host: str
    circuit: str
    budget: Budget
    calls: TrafficStatus
    last_failure: FailureStatus | None


class LeftOutSource(msgspec.Struct, frozen=True):
    """A source that is not configured, and why."""

    name: str
    reason: str


class FeedStatus(msgspec.Struct, frozen=True):
    """How a source reports its changes: `polling` or `webhooks`.

    `result` is that of the last poll or webhook, None before the first one. `lag_seconds` is the time since the source
    has last reported to this process; None where another replica polls it.
    """

    source: str
    kind: str
    result: str | None
    lag_seconds: float | None


class ShadowStatus(msgspec.Struct, frozen=True):
    """The comparisons of shadow mode since the start, and the longest time that something was out of date."""

    same: int
    different: int
    older: int
    longest_seconds: float


class KeptSource(msgspec.Struct, frozen=True):
    """What became of the reads of a source since the start, by `gateway_kept_total`, reference data too.

    `hit_ratio` is the share of reads that were answered by what is kept, or would have been in shadow mode; None
    without reads. `reported`: the changes of the source are reported to this process, and would count as reported for
    `reported_seconds` without a further poll. `shadow` is None unless the mode is shadow.
    """

    source: str
    keep_seconds: float
    reported: bool
    reported_seconds: float
    results: Mapping[str, int]
    hit_ratio: float | None
    shadow: ShadowStatus | None


class KeptStatus(msgspec.Struct, frozen=True):
    """What this process keeps: `mode` is `off`, `shadow` or `on`. `evicted` records were dropped for lack of room."""

    mode: str
    records: int
    bytes: int
    max_bytes: int
    evicted: int
    sources: Sequence[KeptSource]


class Replica(msgspec.Struct, frozen=True):
    """One process of the gateway, as it describes itself to the others."""

    replica: str
    host: str
    version: str
    started: str


class ConnectionCounts(msgspec.Struct, frozen=True):
    """Open HTTP connections, live connections (WebSockets and event streams), and what is open on those."""

    http: int
    live: int
    live_operations: int
    subscriptions: int


class EventLoopStatus(msgspec.Struct, frozen=True):
    """How late the event loop was with what was due: the last measurement, and the longest of the last ten minutes."""

    lag_ms: float
    longest_lag_ms: float


class StateStatus(msgspec.Struct, frozen=True):
    """Something that operators should know and that lasts, for example that a circuit is open.

    `count` is how often it was reported since then; `source`, `cause` and `url` may be empty.
    """

    state: str
    source: str
    since: str
    cause: str
    url: str
    count: int


class WarningStatus(msgspec.Struct, frozen=True):
    """A warning or error of the log: when it was logged last, and how often."""

    time: str
    level: str
    logger: str
    event: str
    fields: Mapping[str, Any]
    count: int


class CallerStatus(msgspec.Struct, frozen=True):
    """What a caller did in the last ten minutes. `calls` are those that its operations caused, by source."""

    caller: str
    operations: int
    failed: int
    calls: Mapping[str, int]
    codes: Mapping[str, int]


class OperationStatus(msgspec.Struct, frozen=True):
    """The operations of one name in the last ten minutes. `codes` counts the codes of their errors."""

    operation: str
    kind: str
    count: int
    failed: int
    median_ms: float | None
    p95_ms: float | None
    codes: Mapping[str, int]


class Status(msgspec.Struct, frozen=True):
    """The status of one process.

    `requests` are the operations of all surfaces, `overhead` the part of their time in which they did not wait for
    sources, `codes` their errors of the last ten minutes. `states` is what is wrong now, the latest first. `replicas`
    is None without Redis, and while Redis cannot be reached.
    """

    time: str
    process: Process
    states: Sequence[StateStatus]
    requests: TrafficStatus
    overhead: TrafficStatus
    codes: Mapping[str, int]
    sources: Sequence[SourceStatus]
    left_out: Sequence[LeftOutSource]
    feeds: Sequence[FeedStatus]
    replicas: Sequence[Replica] | None
    connections: ConnectionCounts
    event_loop: EventLoopStatus
    callers: Sequence[CallerStatus]
    operations: Sequence[OperationStatus]
    warnings: Sequence[WarningStatus]
    kept: KeptStatus | None = None  # of a gateway before there was any
