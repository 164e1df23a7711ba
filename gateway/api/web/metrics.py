"""`/metrics` for Prometheus: what the calls to the sources did, and how their circuits stand."""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics", "add_metrics"]

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


def add_metrics(app: web.Application, metrics: Metrics, circuits: Callable[[], Mapping[str, str]]) -> None:
    """Serve `/metrics`; `circuits` tells each source's state."""

    async def scrape(_request: web.Request) -> web.Response:
        for source, state in circuits().items():
            for one in _STATES:
                metrics.circuits.labels(source, one).set(one == state)
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app.router.add_get("/metrics", scrape)
