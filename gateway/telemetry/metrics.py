"""The metrics of a gateway. `docs/metrics.md` describes each of them.

Those of requests and calls have the names, attributes and buckets of OpenTelemetry's semantic conventions for HTTP
(stable) and RPC (release candidate), version 1.44; the others begin with `gateway`.
"""

import platform

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from gateway.telemetry.instruments import Instruments, MetricName
from gateway.telemetry.otlp import gateway_version

__all__ = ["OTHER_VALUE", "Metrics"]

OTHER_VALUE = "_OTHER"
"""The value of a label, for each value that is not among the known ones, as the conventions name it."""

# The buckets that the conventions advise for the durations of HTTP requests and of RPCs.
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_SHORT_DURATIONS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_AGES = (0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
_SIZES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)

# What prometheus-client collects of the process, by the conventions for processes and for CPython.
_GENERATION = {"generation": "cpython.gc.generation"}
_PROCESS_NAMES = {
    "process_cpu_seconds": MetricName("process.cpu.time", "s"),
    "process_resident_memory_bytes": MetricName("process.memory.usage", "By"),
    "process_virtual_memory_bytes": MetricName("process.memory.virtual", "By"),
    "process_open_fds": MetricName("process.unix.file_descriptor.count", "{file_descriptor}"),
    "process_max_fds": MetricName("process.unix.file_descriptor.limit", "{file_descriptor}"),
    "process_start_time_seconds": MetricName("process.start_time", "s"),
    "python_gc_objects_collected": MetricName("cpython.gc.collected_objects", "{object}", _GENERATION),
    "python_gc_objects_uncollectable": MetricName("cpython.gc.uncollectable_objects", "{object}", _GENERATION),
    "python_gc_collections": MetricName("cpython.gc.collections", "{collection}", _GENERATION),
}


class Metrics:
    """The metrics of one gateway, in a separate registry: several gateways in one process do not share them.

    `names` has the name of each metric in OpenTelemetry, by its name in Prometheus without the ending of a counter.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        define = Instruments(self.registry)
        self.names = define.names
        self._define_requests(define)
        self._define_calls(define)
        self._define_kept(define)
        self._define_operations(define)
        self._define_live(define)
        self._define_process(define)

    def _define_requests(self, define: Instruments) -> None:
        self.http_requests = define.histogram(
            "http.server.request.duration",
            "Duration of HTTP requests, until the end of the response.",
            (
                "http.request.method",
                "http.route",
                "http.response.status_code",
                "url.scheme",
                "error.type",
            ),
            _DURATIONS,
        )
        self.rpcs = define.histogram(
            "rpc.server.call.duration",
            "Duration of gRPC calls, until the end of the response.",
            ("rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"),
            _DURATIONS,
        )
        self.operations = define.histogram(
            "gateway.operation.duration",
            "Duration of operations, by the name of their trusted document or gRPC method, else `other`.",
            ("surface", "operation", "kind", "code"),
            _DURATIONS,
        )
        self.overhead = define.histogram(
            "gateway.overhead",
            "Seconds of an operation that it did not wait for sources.",
            ("surface", "kind"),
            _SHORT_DURATIONS,
        )
        self.active = define.gauge(
            "gateway.active_requests",
            "Requests and operations that are being executed.",
            ("surface",),
            unit="{request}",
        )

    def _define_calls(self, define: Instruments) -> None:
        labels = ("source", "method", "template")
        self.calls = define.histogram(
            "http.client.request.duration",
            "Duration of calls to sources, each attempt separately.",
            (
                "http.request.method",
                "server.address",
                "server.port",
                "http.response.status_code",
                "error.type",
                "url.template",
                "gateway.source",
            ),
            _DURATIONS,
        )
        self.source_events = define.counter(
            "gateway.source.events",
            "Pipeline events of calls to sources: retry, wait, refused, shared, hedged, …",
            (*labels, "event", "detail"),
        )
        self.circuits = define.gauge(
            "gateway.circuit.state",
            "1 for the present state of the circuit of a source, 0 for the other states.",
            ("source", "state"),
        )
        self.pacing_waits = define.histogram(
            "gateway.pacing.wait",
            "Seconds that calls to a source waited for its rate limit.",
            ("source",),
            _DURATIONS,
        )
        self.pacing_tokens = define.gauge(
            "gateway.pacing.tokens",
            "Calls that may be sent to a source now; of several credentials, for the one with the fewest.",
            ("source",),
            unit="{call}",
        )
        self.pacing_limit = define.gauge(
            "gateway.pacing.limit", "Calls that a source permits in a window.", ("source",), unit="{call}"
        )
        self.pacing_waiting = define.gauge(
            "gateway.pacing.waiting", "Calls that wait for the rate limit of a source.", ("source",), unit="{call}"
        )
        self.batches = define.histogram(
            "gateway.batch.size",
            "Lookups of one batch.",
            ("source", "kind"),
            _SIZES,
            unit="{lookup}",
        )

    def _define_kept(self, define: Instruments) -> None:
        self.kept = define.read_counter(
            "gateway.kept",
            "Reads of what may be kept by result: hit, partial, miss, stale, bypass, refused_write.",
            ("source", "result"),
            unit="{read}",
        )
        self.kept_records = define.gauge(
            "gateway.kept.records", "Records and pages of users that are kept in memory.", unit="{record}"
        )
        self.kept_size = define.gauge("gateway.kept.size", "Estimated bytes of what is kept.", unit="By")
        self.kept_limit = define.gauge("gateway.kept.limit", "Bytes that may be kept.", unit="By")
        self.kept_evicted = define.read_counter(
            "gateway.kept.evicted", "Records and pages that were dropped for lack of room.", unit="{record}"
        )
        self.kept_stale_age = define.histogram(
            "gateway.kept.stale.age",
            "Age of what was given past its lifetime.",
            ("source", "reason"),
            _AGES,
        )
        self.kept_shadow = define.counter(
            "gateway.kept.shadow",
            "Reads in shadow mode that would have been a hit, by what differs: same, different, older.",
            ("result", "source"),
            unit="{read}",
        )
        self.kept_shadow_outdated = define.histogram(
            "gateway.kept.shadow.outdated",
            "For how long what is kept had been out of date, where a read in shadow mode differs from it.",
            ("result", "source"),
            _AGES,
        )
        self.changes_reported = define.gauge(
            "gateway.changes.reported",
            "1 while the changes of a source are reported to this process, so that its users are kept long; else 0.",
            ("source",),
        )

    def _define_operations(self, define: Instruments) -> None:
        self.limits = define.counter(
            "gateway.document.limit",
            "GraphQL documents that exceeded a limit.",
            ("limit", "refused"),
            unit="{document}",
        )
        self.gate = define.counter(
            "gateway.gate",
            "Operations that got no slot at once: waited (then executed), full and late (refused).",
            ("event",),
        )
        self.documents = define.counter(
            "gateway.documents",
            "Requests by the way they named their document: trusted, untrusted, refused, missing, automatic_hit, …",
            ("event",),
        )
        self.uncompiled = define.counter(
            "gateway.documents.uncompiled",
            "Operations that entered the cache of documents and are executed by graphql-core, by the reason.",
            ("reason",),
            unit="{operation}",
        )
        self.idempotency = define.counter(
            "gateway.idempotency",
            "Results of changes that could not be stored at once: late (stored after that), lost (given up).",
            ("event",),
        )
        self.redis = define.counter(
            "gateway.redis",
            "Failures of Redis: failed (a command), lost (an outage begins), recovered (it is over).",
            ("event",),
        )

    def _define_live(self, define: Instruments) -> None:
        self.log_events = define.counter(
            "gateway.events",
            "Events of the event log: published, repeated, superseded, lost, slow_reader, gap.",
            ("happening", "detail"),
        )
        self.webhooks = define.counter("gateway.webhooks", "Webhooks by result.", ("result",), unit="{webhook}")
        self.polls = define.counter(
            "gateway.polls", "Rounds of polling by result.", ("source", "result"), unit="{round}"
        )
        self.feed_lag = define.gauge(
            "gateway.feed.lag",
            "Seconds since a source last reported its changes: by polling here, or by a webhook.",
            ("source",),
            unit="s",
        )
        self.live = define.counter(
            "gateway.live",
            "Events of WebSockets and event streams: opened, closed, refused, slow_reader.",
            ("happening", "detail"),
        )
        self.connections = define.gauge(
            "gateway.live.connections", "Open WebSockets and event streams.", unit="{connection}"
        )
        self.live_operations = define.gauge(
            "gateway.live.operations", "Operations on WebSockets and event streams.", unit="{operation}"
        )
        self.subscribers = define.gauge(
            "gateway.event.subscribers", "Subscriptions to the event log.", unit="{subscription}"
        )

    def _define_process(self, define: Instruments) -> None:
        self.loop_lag = define.histogram(
            "gateway.event_loop.lag",
            "Seconds by which a timer of the event loop was late, measured twice a second.",
            (),
            _SHORT_DURATIONS,
        ).labels()
        build = define.gauge("gateway.build_info", "1, with the versions of the process.", ("version", "python"))
        versions = (gateway_version(), platform.python_version())
        build.read_from(lambda: {versions: 1.0})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.names.update(_PROCESS_NAMES)
