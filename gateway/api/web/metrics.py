"""`/metrics` for Prometheus: what the calls to the sources did, and how their circuits stand."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.api.web.http import Request, Response, Route

__all__ = ["Metrics", "scrape"]

_STATES = ("closed", "half_open", "open")


class Metrics:
    """The counters of one gateway, in a registry of their own: two gateways in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("source", "method", "template")
        self.events = Counter(
            "gateway_source_events",
            "What the pipeline did to calls: retry, wait, refused, shared, hedged, …",
            (*labels, "event", "detail"),
            registry=self.registry,
        )
        self.calls = Histogram(
            "http_client_request_duration_seconds",
            "Calls to the sources, each try by itself.",
            (*labels, "status"),
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.circuits = Gauge(
            "gateway_circuit_state",
            "1 for the state that a source's circuit is in.",
            ("source", "state"),
            registry=self.registry,
        )


def scrape(metrics: Metrics, circuits: Callable[[], Mapping[str, str]]) -> Route:
    """`/metrics`; `circuits` tells each source's state."""

    async def answer(_request: Request) -> Response:
        for source, state in circuits().items():
            for one in _STATES:
                metrics.circuits.labels(source, one).set(one == state)
        return Response(200, generate_latest(metrics.registry), (("Content-Type", CONTENT_TYPE_LATEST),))

    return Route(("GET",), "/metrics", answer)
