"""The observers of one gateway, which count in its metrics."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from gateway.api.graphql.limits.limits import Finding
from gateway.api.web.metrics import Metrics
from gateway.sources.http.exchange import Request
from gateway.sources.http.observing import CallEvent

__all__ = ["MetricsObserver"]

Series = TypeVar("Series")
_MAX_SERIES = 4096  # cached series of one metric: more than there are


class MetricsObserver:
    """Counts what the parts of a gateway report. Each method is passed to one part as its observer."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = _cached(metrics.calls.labels)
        self._pipeline = _cached(metrics.source_events.labels)
        self._limits = _cached(metrics.limits.labels)
        self._gate = _cached(metrics.gate.labels)
        self._documents = _cached(metrics.documents.labels)
        self._log_events = _cached(metrics.log_events.labels)
        self._redis = _cached(metrics.redis.labels)
        self._idempotency = _cached(metrics.idempotency.labels)
        self._live = _cached(metrics.live.labels)
        self._webhooks = _cached(metrics.webhooks.labels)
        self._polls = _cached(metrics.polls.labels)

    def pipeline_event(self, event: CallEvent) -> None:
        """Count an event of a pipeline."""
        self._pipeline(event.source, event.method, event.template, event.event, event.detail).inc()

    def call_finished(self, request: Request, status: str, seconds: float) -> None:
        """Record the duration of one attempt of a call."""
        self._calls(request.source, request.method, request.template, status).observe(seconds)

    def limited(self, finding: Finding, refused: bool) -> None:  # noqa: FBT001 - the signature of an observer
        """Count a document that exceeded a limit."""
        self._limits(finding.limit.value, str(refused).lower()).inc()

    def gate(self, event: str) -> None:
        """Count an operation that waited for a slot or got none."""
        self._gate(event).inc()

    def document(self, event: str) -> None:
        """Count how a request named its document."""
        self._documents(event).inc()

    def log_event(self, event: str, detail: str) -> None:
        """Count an event of the event log."""
        self._log_events(event, detail).inc()

    def redis_event(self, event: str) -> None:
        """Count a failure of Redis, and the beginning or end of an outage."""
        self._redis(event).inc()

    def idempotency(self, event: str) -> None:
        """Count the result of a change that could not be stored at once."""
        self._idempotency(event).inc()

    def live(self, event: str, detail: str) -> None:
        """Count an event of a live connection."""
        self._live(event, detail).inc()

    def webhook(self, result: str) -> None:
        """Count a webhook by its result."""
        self._webhooks(result).inc()

    def poll(self, source: str, result: str) -> None:
        """Count a round of polling by its result."""
        self._polls(source, result).inc()


def _cached(labels: Callable[..., Series]) -> Callable[..., Series]:
    """Cache the series of each combination of labels: finding it in the library takes as long as counting."""
    return lru_cache(_MAX_SERIES)(labels)
