"""The metrics of a gateway, and `/metrics` for Prometheus."""

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["Metrics", "metrics_route"]

_STATES = ("closed", "half_open", "open")


class Traffic(Protocol):
    """The numbers of open live connections and of operations on them."""

    @property
    def connections(self) -> int: ...

    @property
    def operations(self) -> int: ...


class Metrics:
    """The metrics of one gateway, in a separate registry: several gateways in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("source", "method", "template")
        self.source_events = Counter(
            "gateway_source_events",
            "Pipeline events of calls to sources: retry, wait, refused, shared, hedged, …",
            (*labels, "event", "detail"),
            registry=self.registry,
        )
        self.calls = Histogram(
            "http_client_request_duration_seconds",
            "Duration of calls to sources, each attempt separately.",
            (*labels, "status"),
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.limits = Counter(
            "gateway_document_limit",
            "GraphQL documents that exceeded a limit.",
            ("limit", "refused"),
            registry=self.registry,
        )
        self.gate = Counter(
            "gateway_gate",
            "Operations that got no slot at once: waited (then executed), full and late (refused).",
            ("event",),
            registry=self.registry,
        )
        self.documents = Counter(
            "gateway_documents",
            "Requests by the way they named their document: trusted, untrusted, refused, missing, automatic_hit, …",
            ("event",),
            registry=self.registry,
        )
        self.log_events = Counter(
            "gateway_events",
            "Events of the event log: published, repeated, superseded, lost, slow_reader, gap.",
            ("happening", "detail"),
            registry=self.registry,
        )
        self.redis = Counter(
            "gateway_redis",
            "Failures of Redis: failed (a command), lost (an outage begins), recovered (it is over).",
            ("event",),
            registry=self.registry,
        )
        self.idempotency = Counter(
            "gateway_idempotency",
            "Results of changes that could not be stored at once: late (stored after that), lost (given up).",
            ("event",),
            registry=self.registry,
        )
        self.webhooks = Counter("gateway_webhooks", "Webhooks by result.", ("result",), registry=self.registry)
        self.polls = Counter(
            "gateway_polls",
            "Rounds of polling by result.",
            ("source", "result"),
            registry=self.registry,
        )
        self.live = Counter(
            "gateway_live",
            "Events of WebSockets and event streams: opened, closed, refused, slow_reader.",
            ("happening", "detail"),
            registry=self.registry,
        )
        self.connections = Gauge(
            "gateway_live_connections", "Open WebSockets and event streams.", registry=self.registry
        )
        self.operations = Gauge(
            "gateway_live_operations", "Operations on WebSockets and event streams.", registry=self.registry
        )
        self.subscribers = Gauge("gateway_event_subscribers", "Subscriptions to the event log.", registry=self.registry)
        self.circuits = Gauge(
            "gateway_circuit_state",
            "1 for the present state of the circuit of a source, 0 for the other states.",
            ("source", "state"),
            registry=self.registry,
        )


def metrics_route(
    metrics: Metrics,
    circuits: Callable[[], Mapping[str, str]],
    traffic: Traffic,
    subscribers: Callable[[], int],
) -> Route:
    """Return the route of `/metrics`.

    `circuits` returns the state of the circuit of each source, `subscribers` the number of subscriptions to the log.
    """

    async def respond(_request: WebRequest) -> WebResponse:
        for source, state in circuits().items():
            for possible in _STATES:
                metrics.circuits.labels(source, possible).set(possible == state)
        metrics.connections.set(traffic.connections)
        metrics.operations.set(traffic.operations)
        metrics.subscribers.set(subscribers())
        return WebResponse(200, generate_latest(metrics.registry), (("Content-Type", CONTENT_TYPE_LATEST),))

    return Route(("GET",), "/metrics", respond)
