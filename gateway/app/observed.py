"""What happens inside, counted: observers over the metrics."""

from prometheus_client import Counter, Histogram

from gateway.api.graphql.limits.limits import Finding
from gateway.api.web.metrics import Metrics
from gateway.sources.http.exchange import Request
from gateway.sources.http.observing import Event

__all__ = ["Observed"]


class Observed:
    """The observers of one gateway."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._counted: dict[tuple[str, str, str, str, str], Counter] = {}
        self._timed: dict[tuple[str, str, str, str], Histogram] = {}

    def call(self, event: Event) -> None:
        """Something that the pipeline did to a call."""
        series = (event.source, event.method, event.template, event.happening, event.detail)
        counted = self._counted.get(series)
        if counted is None:  # the library's own look-up costs as much as counting
            counted = self._counted[series] = self.metrics.events.labels(*series)
        counted.inc()

    def answered(self, request: Request, status: str, seconds: float) -> None:
        """One try of a call."""
        series = (request.source, request.method, request.template, status)
        timed = self._timed.get(series)
        if timed is None:
            timed = self._timed[series] = self.metrics.calls.labels(*series)
        timed.observe(seconds)

    def limited(self, finding: Finding, refused: bool) -> None:  # noqa: FBT001 - an observer's shape
        """A document that broke a limit."""
        self.metrics.limits.labels(finding.limit.value, str(refused).lower()).inc()

    def gate(self, event: str) -> None:
        """An operation that did not simply begin."""
        self.metrics.gate.labels(event).inc()

    def document(self, event: str) -> None:
        """How a request named its document."""
        self.metrics.documents.labels(event).inc()

    def news(self, happening: str, detail: str) -> None:
        """Something in the event log."""
        self.metrics.news.labels(happening, detail).inc()

    def live(self, happening: str, detail: str) -> None:
        """A connection or a subscription."""
        self.metrics.live.labels(happening, detail).inc()

    def webhook(self, result: str) -> None:
        """A webhook."""
        self.metrics.webhooks.labels(result).inc()

    def poll(self, source: str, result: str) -> None:
        """A look at a system that sends no webhooks."""
        self.metrics.polls.labels(source, result).inc()
