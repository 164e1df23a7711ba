"""The route `/metrics`, for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.api.web.cors import Cors, misdirected
from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["metrics_route"]


class _WithoutCreationTimes(Collector):
    """The metrics of a registry without the series that state when each other series began.

    Prometheus does not need them, and they would be a third of all series.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.type in {"counter", "histogram"}:
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def metrics_route(registry: CollectorRegistry, cors: Cors, *, prepare: Callable[[], None]) -> Route:
    """Return the route of `/metrics`, with the metrics of a registry, which name the hosts of the sources.

    `prepare` is called before they are read.
    """
    collector = _WithoutCreationTimes(registry)

    async def respond(request: WebRequest) -> WebResponse:
        if cors.is_rebound(request):
            return misdirected()
        prepare()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return WebResponse(200, encode(collector), (("Content-Type", content_type),))

    return Route(("GET",), "/metrics", respond)
