"""The metrics of a gateway, and the endpoint `/metrics` from which Prometheus reads them."""

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["Metrics", "scrape"]

_STATES = ("closed", "half_open", "open")


class Traffic(Protocol):
    """The numbers of live connections and of the operations on them."""

    @property
    def connections(self) -> int: ...

    @property
    def operations(self) -> int: ...


class Metrics:
    """The metrics of one gateway, in a separate registry, so that two gateways in a process have separate metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("source", "method", "template")
        self.events = Counter(
            "gateway_source_events",
            "Pipeline events of calls to sources: retry, wait, refused, shared, hedged and others.",
            (*labels, "event", "detail"),
            registry=self.registry,
        )
        self.calls = Histogram(
            "http_client_request_duration_seconds",
            "Attempts of calls to sources, in seconds.",
            (*labels, "status"),
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.limits = Counter(
            "gateway_document_limit",
            "Documents that exceed a limit.",
            ("limit", "refused"),
            registry=self.registry,
        )
        self.gate = Counter(
            "gateway_gate",
            "Operations that did not get a slot at once: waited (executed later), full and late (refused).",
            ("event",),
            registry=self.registry,
        )
        self.documents = Counter(
            "gateway_documents",
            "Documents by how requests name them: trusted, untrusted, refused, missing, automatic_hit and others.",
            ("event",),
            registry=self.registry,
        )
        self.news = Counter(
            "gateway_events",
            "What happened in the event log: published, repeated, lost, slow_reader, gap.",
            ("happening", "detail"),
            registry=self.registry,
        )
        self.webhooks = Counter("gateway_webhooks", "Webhooks by result.", ("result",), registry=self.registry)
        self.polls = Counter(
            "gateway_polls",
            "Polls of sources that send no webhooks, by result.",
            ("source", "result"),
            registry=self.registry,
        )
        self.live = Counter(
            "gateway_live",
            "WebSockets and event streams: opened, closed, refused, slow_reader.",
            ("happening", "detail"),
            registry=self.registry,
        )
        self.connections = Gauge(
            "gateway_live_connections", "WebSockets and event streams that are open.", registry=self.registry
        )
        self.operations = Gauge(
            "gateway_live_operations", "Operations on open WebSockets and event streams.", registry=self.registry
        )
        self.subscribers = Gauge("gateway_event_subscribers", "Subscriptions to the event log.", registry=self.registry)
        self.circuits = Gauge(
            "gateway_circuit_state",
            "1 for the current state of the circuit of a source, 0 for the other states.",
            ("source", "state"),
            registry=self.registry,
        )


def scrape(
    metrics: Metrics,
    circuits: Callable[[], Mapping[str, str]],
    traffic: Traffic,
    subscribers: Callable[[], int],
) -> Route:
    """Return the route `/metrics`. `circuits` returns the state of each source's circuit, `subscribers` a number."""

    async def respond(_request: WebRequest) -> WebResponse:
        for source, state in circuits().items():
            for label in _STATES:
                metrics.circuits.labels(source, label).set(label == state)
        metrics.connections.set(traffic.connections)
        metrics.operations.set(traffic.operations)
        metrics.subscribers.set(subscribers())
        return WebResponse(200, generate_latest(metrics.registry), (("Content-Type", CONTENT_TYPE_LATEST),))

    return Route(("GET",), "/metrics", respond)
