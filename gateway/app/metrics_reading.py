"""Connects the metrics that are read when they are collected with the parts that know them."""

from collections.abc import Mapping

from gateway.api.graphql.live.live import Live
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.sources import ConfiguredSources
from gateway.events.feeds import ChangeFeeds
from gateway.events.log import EventLog
from gateway.sources.http.circuit import CircuitState
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.telemetry import Telemetry
from gateway.users.kept.records import KeptRecords

__all__ = ["read_metrics"]


def read_metrics(
    metrics: Metrics,
    *,
    observer: MetricsObserver,
    telemetry: Telemetry,
    sources: ConfiguredSources,
    records: KeptRecords,
    feeds: ChangeFeeds,
    live: Live,
    events: EventLog,
) -> None:
    """Let the metrics of a gateway be read from its parts."""

    def circuits() -> Mapping[tuple[str, ...], float]:
        states = sources.circuits().items()
        return {(name, possible): float(possible is state) for name, state in states for possible in CircuitState}

    def tokens() -> Mapping[tuple[str, ...], float]:
        return {(name,): state.tokens for name, state in sources.budgets().items() if state.tokens is not None}

    def limits() -> Mapping[tuple[str, ...], float]:
        return {(name,): state.limit for name, state in sources.budgets().items() if state.limit is not None}

    def reported() -> Mapping[tuple[str, ...], float]:
        return {(source.name,): float(feeds.is_reported(source.name)) for source in sources.sources}

    def kept() -> Mapping[tuple[str, ...], float]:
        return {(source, result): count for (source, result), count in records.results.items()}

    metrics.circuits.read_from(circuits)
    metrics.pacing_tokens.read_from(tokens)
    metrics.pacing_limit.read_from(limits)
    metrics.pacing_waiting.read_from(lambda: {(name,): state.waiting for name, state in sources.budgets().items()})
    metrics.active.read_from(lambda: {(surface,): count for surface, count in telemetry.active.items()})
    metrics.kept.read_from(kept)
    metrics.kept_records.read_from(lambda: {(): len(records)})
    metrics.kept_size.read_from(lambda: {(): records.size})
    metrics.kept_limit.read_from(lambda: {(): records.max_bytes})
    metrics.kept_evicted.read_from(lambda: {(): records.evicted})
    metrics.changes_reported.read_from(reported)
    metrics.feed_lag.read_from(lambda: {(source,): lag for source, lag in observer.feeds.seconds().items()})
    metrics.connections.read_from(lambda: {(): live.traffic.connections})
    metrics.live_operations.read_from(lambda: {(): live.traffic.operations})
    metrics.subscribers.read_from(lambda: {(): events.subscribers})
