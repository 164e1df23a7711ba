"""`/metrics` for Prometheus: what the calls to the sources did, and how their circuits stand."""

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["Metrics", "scrape"]

_STATES = ("closed", "half_open", "open")


class Traffic(Protocol):
    """What is live now."""

    @property
    def connections(self) -> int: ...

    @property
    def operations(self) -> int: ...


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
        self.limits = Counter(
            "gateway_document_limit",
            "Documents that broke a limit.",
            ("limit", "refused"),
            registry=self.registry,
        )
        self.gate = Counter(
            "gateway_gate",
            "Operations that did not simply begin: waited (and began), full and late (refused).",
            ("event",),
            registry=self.registry,
        )
        self.documents = Counter(
            "gateway_documents",
            "How requests named their documents: trusted, untrusted, refused, missing, automatic_hit, …",
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
            "Looks at systems that send no webhooks, by result.",
            ("source", "result"),
            registry=self.registry,
        )
        self.live = Counter(
            "gateway_live",
            "Sockets and event streams: opened, closed, refused, slow_reader.",
            ("happening", "detail"),
            registry=self.registry,
        )
        self.connections = Gauge(
            "gateway_live_connections", "Sockets and event streams that are open.", registry=self.registry
        )
        self.operations = Gauge("gateway_live_operations", "Operations on them.", registry=self.registry)
        self.subscribers = Gauge("gateway_event_subscribers", "Who follows the event log.", registry=self.registry)
        self.circuits = Gauge(
            "gateway_circuit_state",
            "1 for the state that a source's circuit is in.",
            ("source", "state"),
            registry=self.registry,
        )


def scrape(
    metrics: Metrics,
    circuits: Callable[[], Mapping[str, str]],
    traffic: Traffic,
    subscribers: Callable[[], int],
) -> Route:
    """`/metrics`; `circuits` tells each source's state, `traffic` and `subscribers` what is live now."""

    async def answer(_request: WebRequest) -> WebResponse:
        for source, state in circuits().items():
            for one in _STATES:
                metrics.circuits.labels(source, one).set(one == state)
        metrics.connections.set(traffic.connections)
        metrics.operations.set(traffic.operations)
        metrics.subscribers.set(subscribers())
        return WebResponse(200, generate_latest(metrics.registry), (("Content-Type", CONTENT_TYPE_LATEST),))

    return Route(("GET",), "/metrics", answer)
