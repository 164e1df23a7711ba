"""What happens inside, counted: observers over the metrics."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from gateway.api.graphql.limits.limits import Finding
from gateway.api.web.metrics import Metrics
from gateway.sources.http.exchange import Request
from gateway.sources.http.observing import CallEvent

__all__ = ["MetricsObserver"]

Series = TypeVar("Series")
_MANY = 4096  # series of one metric that are at hand: more than there are


class MetricsObserver:
    """The observers of one gateway."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = _at_hand(metrics.calls.labels)
        self._pipeline = _at_hand(metrics.events.labels)
        self._limits = _at_hand(metrics.limits.labels)
        self._gate = _at_hand(metrics.gate.labels)
        self._documents = _at_hand(metrics.documents.labels)
        self._news = _at_hand(metrics.news.labels)
        self._live = _at_hand(metrics.live.labels)
        self._webhooks = _at_hand(metrics.webhooks.labels)
        self._polls = _at_hand(metrics.polls.labels)

    def call(self, event: CallEvent) -> None:
        """Something that the pipeline did to a call."""
        self._pipeline(event.source, event.method, event.template, event.event, event.detail).inc()

    def answered(self, request: Request, status: str, seconds: float) -> None:
        """One try of a call."""
        self._calls(request.source, request.method, request.template, status).observe(seconds)

    def limited(self, finding: Finding, refused: bool) -> None:  # noqa: FBT001 - an observer's shape
        """A document that broke a limit."""
        self._limits(finding.limit.value, str(refused).lower()).inc()

    def gate(self, event: str) -> None:
        """An operation that did not simply begin."""
        self._gate(event).inc()

    def document(self, event: str) -> None:
        """How a request named its document."""
        self._documents(event).inc()

    def news(self, happening: str, detail: str) -> None:
        """Something in the event log."""
        self._news(happening, detail).inc()

    def live(self, happening: str, detail: str) -> None:
        """A connection or a subscription."""
        self._live(happening, detail).inc()

    def webhook(self, result: str) -> None:
        """A webhook."""
        self._webhooks(result).inc()

    def poll(self, source: str, result: str) -> None:
        """A look at a system that sends no webhooks."""
        self._polls(source, result).inc()


def _at_hand(labels: Callable[..., Series]) -> Callable[..., Series]:
    """The series of these labels, without the library's own look-up, which costs as much as counting."""
    return lru_cache(_MANY)(labels)
