"""The observers of one gateway, which count in its metrics."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TypeVar

from gateway.api.graphql.limits.limits import Finding
from gateway.api.web.webhooks import WebhookResult
from gateway.errors import (
    GatewayError,
    RateLimited,
    SourceCredentials,
    SourceInvalidResponse,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.events.log import LogEvent
from gateway.events.polling import PollResult
from gateway.freshness import StaleReason
from gateway.kit.server_address import server_address, url_origin
from gateway.sources.http.circuit import CircuitOpenError
from gateway.sources.http.exchange import Request
from gateway.sources.http.observing import CallEvent, PipelineEvent
from gateway.sources.http.pacing import NoSpareTokenError
from gateway.telemetry.feeds import FeedLag
from gateway.telemetry.history import History
from gateway.telemetry.metrics import OTHER_VALUE, Metrics
from gateway.users.ids import Kind
from gateway.users.kept.shadow import ShadowCounts, ShadowResult
from gateway.users.model import UserSource

__all__ = ["MetricsObserver"]

Series = TypeVar("Series")
_MAX_SERIES = 4096  # cached series of one metric: more than there are
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)
_FIRST_ERROR = "400"
_TOO_MANY_REQUESTS = "429"
_SIGNED = frozenset({WebhookResult.ACCEPTED, WebhookResult.REPEATED, WebhookResult.UNKNOWN, WebhookResult.FOREIGN})
_SOURCE_FAILURES = (SourceCredentials, SourceInvalidResponse, SourceTimeout, SourceUnavailable, RateLimited)


class MetricsObserver:
    """Counts what the parts of a gateway report. Each method is passed to one part as its observer."""

    def __init__(self, metrics: Metrics) -> None:
        self.feeds = FeedLag()
        self.history = History()
        self._calls = _cached(partial(_call_series, metrics))
        self._pipeline = _cached(metrics.source_events.labels)
        self._pacing_waits = _cached(metrics.pacing_waits.labels)
        self._loop_lag = metrics.loop_lag.observe
        self._batches = _cached(metrics.batches.labels)
        self._limits = _cached(metrics.limits.labels)
        self._gate = _cached(metrics.gate.labels)
        self._documents = _cached(metrics.documents.labels)
        self._uncompiled = _cached(metrics.uncompiled.labels)
        self._log_events = _cached(metrics.log_events.labels)
        self._redis = _cached(metrics.redis.labels)
        self._idempotency = _cached(metrics.idempotency.labels)
        self._live = _cached(metrics.live.labels)
        self._webhooks = _cached(metrics.webhooks.labels)
        self._polls = _cached(metrics.polls.labels)
        self._stale_ages = _cached(metrics.kept_stale_age.labels)
        self._shadow = _cached(metrics.kept_shadow.labels)
        self._shadow_outdated = _cached(metrics.kept_shadow_outdated.labels)
        self.shadow: dict[UserSource, ShadowCounts] = {}
        # From the start, since Prometheus computes no increase for a series that begins with 1: an alert would miss it.
        for each in ("waited", "full", "late"):
            self._gate(each)
        for each in ("failed", "lost", "recovered"):
            self._redis(each)
        for each in ("late", "lost"):
            self._idempotency(each)
        for each in WebhookResult:
            self._webhooks(each)
        for source in UserSource:
            self._log_events(LogEvent.LOST, source)

    def pipeline_event(self, event: CallEvent) -> None:
        """Count an event of a pipeline."""
        self._pipeline(event.source, event.method, event.template, event.event, event.detail).inc()
        if event.event is PipelineEvent.WAIT:
            self._pacing_waits(event.source).observe(event.seconds)

    def call_finished(self, request: Request, status: str, seconds: float, ended: float) -> None:
        """Record the duration of one attempt of a call: its status is an HTTP status or the code of an error."""
        self.history.call(request.source, status, seconds, ended)
        server = request.base_url or url_origin(request.url)
        self._calls(request.source, request.method, request.template, server, status)(seconds)
        if status == _TOO_MANY_REQUESTS:
            self.call_limited(request)

    def call_limited(self, request: Request) -> None:
        """Receive the request of an attempt that was responded to with 429, for the log."""

    def loop_lag(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self._loop_lag(seconds)
        self.history.loop_lag(seconds)

    def batch(self, source: UserSource, kind: Kind, lookups: int) -> None:
        """Record the size of a batch of lookups."""
        self._batches(source, kind.value).observe(lookups)

    def stale(self, source: UserSource, reason: StaleReason, age: float) -> None:
        """Record the age of what was given past its lifetime."""
        self._stale_ages(source, reason).observe(age)

    def expect_comparisons(self, sources: Iterable[UserSource]) -> None:
        """Let the counters of shadow mode begin: Prometheus computes no increase for one that begins with 1."""
        for source in sources:
            self.shadow[source] = ShadowCounts()
            for result in ShadowResult:
                self._shadow(result, source)

    def compared(self, source: UserSource, result: ShadowResult, outdated: float) -> None:
        """Count a comparison in shadow mode."""
        self._shadow(result, source).inc()
        if result is not ShadowResult.SAME:
            self._shadow_outdated(result, source).observe(outdated)
        self.shadow[source].add(result, outdated)

    def call_result(self, request: Request, error: GatewayError | None) -> None:
        """Keep the failure of a call, after all its attempts, if the source or its credential is the cause."""
        if isinstance(error, _SOURCE_FAILURES) and not isinstance(error, CircuitOpenError | NoSpareTokenError):
            self.history.call_failed(request.source, error)

    def limited(self, finding: Finding, refused: bool) -> None:  # noqa: FBT001 - the signature of an observer
        """Count a document that exceeded a limit."""
        self._limits(finding.limit.value, str(refused).lower()).inc()

    def gate(self, event: str) -> None:
        """Count an operation that waited for a slot or got none."""
        self._gate(event).inc()

    def document(self, event: str) -> None:
        """Count how a request named its document."""
        self._documents(event).inc()

    def uncompiled(self, reason: str) -> None:
        """Count an operation that is not compiled, by the reason."""
        self._uncompiled(reason).inc()

    def log_event(self, event: str, detail: str) -> None:
        """Count an event of the event log."""
        self._log_events(event, detail).inc()

    def redis_event(self, event: str, cause: str = "") -> None:  # noqa: ARG002 - for the log
        """Count a failure of Redis, and the beginning or end of an outage."""
        self._redis(event).inc()

    def idempotency(self, event: str) -> None:
        """Count the result of a change that could not be stored at once."""
        self._idempotency(event).inc()

    def live(self, event: str, detail: str) -> None:
        """Count an event of a live connection."""
        self._live(event, detail).inc()

    def webhook(self, result: WebhookResult) -> None:
        """Count a webhook by its result."""
        self._webhooks(result).inc()
        self.history.feed(UserSource.RESELLER, result)
        if result in _SIGNED:
            self.feeds.reported(UserSource.RESELLER)

    def poll(self, source: UserSource, result: PollResult, error: GatewayError | None = None) -> None:  # noqa: ARG002 - for the log
        """Count a round of polling by its result."""
        self._polls(source, result).inc()
        self.history.feed(source, result)
        if result in {PollResult.STANDBY, PollResult.OVERTAKEN}:
            self.feeds.left_to_another(source)
        elif result in {PollResult.CHANGED, PollResult.UNCHANGED}:
            self.feeds.reported(source)


def _call_series(metrics: Metrics, *combination: *tuple[str, str, str, str, str]) -> Callable[[float], None]:
    """Return what observes the duration of calls: to a source, with a method, a template, an origin and a status."""
    source, method, template, server, status = combination
    address, port = server_address(server)
    if not status.isdecimal():
        code, error = "", status
    else:
        code = status if status in _STATUSES else OTHER_VALUE
        error = code if status >= _FIRST_ERROR else ""
    return metrics.calls.labels(method, address, port, code, error, template, source).observe


def _cached(labels: Callable[..., Series]) -> Callable[..., Series]:
    """Cache the series of each combination of labels: finding it in the library takes as long as counting."""
    return lru_cache(_MAX_SERIES)(labels)
