"""Reads the status of a gateway from its parts, for `/status` and `gateway status`."""

import hashlib
import platform
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from urllib.parse import urlsplit

import msgspec

from gateway.api.graphql.schema.build import sdl
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.parts import Parts
from gateway.app.sources import left_out_sources, settings_of
from gateway.errors import SourceUnavailable
from gateway.kit.threads import in_daemon_thread
from gateway.settings import Settings
from gateway.telemetry.log_fields import log_time
from gateway.telemetry.recent_warnings import LoggedWarning
from gateway.telemetry.state_changes import StateChanges
from gateway.telemetry.status import (
    Budget,
    ConnectionCounts,
    EventLoopStatus,
    FeedStatus,
    KeptSource,
    KeptStatus,
    LeftOutSource,
    Process,
    Replica,
    ShadowStatus,
    SourceStatus,
    StateStatus,
    Status,
    WarningStatus,
)
from gateway.users.kept.records import KeptResult
from gateway.users.kept.shadow import ShadowCounts, ShadowResult
from gateway.users.model import UserSource

__all__ = ["StatusReader"]

_HASH_LENGTH = 12  # digits, which are enough to see that two schemas differ


def _this_replica() -> Replica:
    """Describe this process, which starts now."""
    return Replica(secrets.token_hex(4), socket.gethostname(), version("user-gateway"), log_time(time.time()))


class StatusReader:
    """Reads the status, of this process and of its replicas. `lifecycle` returns the state of the process."""

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        observer: MetricsObserver,
        states: StateChanges,
        warnings: Callable[[], Sequence[LoggedWarning]],
        lifecycle: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._replica = _this_replica()
        self._started = time.monotonic()
        self._schema = ""
        self._observer = observer
        self._history = observer.history
        self._sources = parts.sources
        self._live = parts.live
        self._events = parts.events
        self._records = parts.records
        self._reported = parts.feeds
        self._replicas = parts.stores.replicas(msgspec.json.encode(self._replica))
        self._states = states
        self._warnings = warnings
        self._lifecycle = lifecycle

    async def read(self, *, connections: int) -> Status:
        """Return the status of now; `connections` is the number of open HTTP connections."""
        history, traffic = self._history, self._live.traffic
        # Some hundredths of a second, once. The threads of the event loop may all wait for a DNS that does not respond,
        # which is when somebody looks at the status.
        self._schema = schema = self._schema or await in_daemon_thread(_schema_hash, "hash of the schema")
        replicas = await self._read_replicas()
        lag, longest_lag = history.loop_lags()
        return Status(
            time=log_time(time.time()),
            process=self._process(schema),
            states=[
                StateStatus(each.kind.value, each.source, log_time(each.since), each.cause, each.url, each.count)
                for each in self._states.active()
            ],
            requests=history.requests.status(),
            overhead=history.overhead.status(),
            codes=history.codes(),
            sources=self._read_sources(),
            left_out=self._read_left_out(),
            feeds=self._read_feeds(),
            replicas=replicas,
            connections=ConnectionCounts(
                connections, traffic.connections, traffic.operations, self._events.subscribers
            ),
            event_loop=EventLoopStatus(round(lag * 1000, 1), round(longest_lag * 1000, 1)),
            callers=history.callers(),
            operations=history.operations(),
            warnings=[_warning(each) for each in self._warnings()],
            kept=self._read_kept(),
        )

    def _process(self, schema: str) -> Process:
        replica = self._replica
        return Process(
            state=self._lifecycle(),
            replica=replica.replica,
            host=replica.host,
            version=replica.version,
            python=platform.python_version(),
            schema=schema,
            environment=self._settings.environment.value,
            started=replica.started,
            uptime_seconds=round(time.monotonic() - self._started, 1),
        )

    def _read_sources(self) -> list[SourceStatus]:
        circuits, budgets, history = self._sources.circuits(), self._sources.budgets(), self._history
        return [
            SourceStatus(
                name.value,
                urlsplit(settings_of(self._settings, name).base_url or "").netloc.rpartition("@")[2],
                circuits[name].value,
                Budget(budgets[name].limit, budgets[name].tokens, budgets[name].waiting),
                history.calls_of(name).status(),
                history.last_failure(name),
            )
            for name in self._sources.names
        ]

    def _read_left_out(self) -> list[LeftOutSource]:
        used = {source.name for source in self._sources.sources}  # also those that the embedding program passed
        left_out = left_out_sources(self._settings)
        return [LeftOutSource(name, reason) for name, reason in left_out.items() if name not in used]

    def _read_feeds(self) -> list[FeedStatus]:
        lags, history = self._observer.feeds.seconds(), self._history
        found = []
        for name in (source.name for source in self._sources.sources):
            configured = settings_of(self._settings, name)
            lag = lags.get(name)
            if configured.poll_interval is not None:
                kind = "polling"
            elif lag is not None:
                kind = "webhooks"
            else:
                continue
            rounded = None if lag is None else round(lag, 1)
            found.append(FeedStatus(name.value, kind, history.feed_result(name), rounded))
        return found

    def _read_kept(self) -> KeptStatus:
        records = self._records
        return KeptStatus(
            mode=self._settings.keep_mode,
            records=len(records),
            bytes=records.size,
            max_bytes=records.max_bytes,
            evicted=records.evicted,
            sources=[self._read_kept_source(source.name) for source in self._sources.sources],
        )

    def _read_kept_source(self, name: UserSource) -> KeptSource:
        counts = {result: self._records.results[name, result] for result in KeptResult}
        shadow, compared = self._observer.shadow.get(name), 0
        if shadow is not None:
            compared = shadow.results.total()
        given = counts[KeptResult.HIT] + counts[KeptResult.STALE]
        called = counts[KeptResult.PARTIAL] + counts[KeptResult.MISS] + counts[KeptResult.BYPASS]
        left = self._reported.seconds_left(name)
        return KeptSource(
            name.value,
            settings_of(self._settings, name).keep,
            left > 0,
            round(left, 1),
            {result.value: count for result, count in counts.items()},
            round((given + compared) / (given + called), 4) if given + called else None,
            None if shadow is None else _shadow(shadow),
        )

    async def _read_replicas(self) -> list[Replica] | None:
        if self._replicas is None:
            return None
        try:
            descriptions = await self._replicas.descriptions()
        except SourceUnavailable:
            return None
        replicas = []
        for description in descriptions:
            try:
                replicas.append(msgspec.json.decode(description, type=Replica))
            except msgspec.MsgspecError:  # of a version to come
                continue
        return sorted(replicas, key=lambda replica: replica.started)


@cache
def _schema_hash() -> str:
    return hashlib.sha256(sdl().encode()).hexdigest()[:_HASH_LENGTH]


def _shadow(counts: ShadowCounts) -> ShadowStatus:
    results = counts.results
    return ShadowStatus(
        results[ShadowResult.SAME],
        results[ShadowResult.DIFFERENT],
        results[ShadowResult.OLDER],
        round(counts.longest, 1),
    )


def _warning(logged: LoggedWarning) -> WarningStatus:
    fields = dict(logged.fields) | ({"error": logged.error} if logged.error else {})
    return WarningStatus(log_time(logged.time), logged.level, logged.logger, logged.message, fields, logged.count)
