"""The cost of log, metrics and traces: the same gateway with and without them, as ratios of CPU per request."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import orjson

from benchmarks import machine
from benchmarks.agreement import DisagreementError
from benchmarks.collector import Collector, run_collector
from benchmarks.fleet import Cores, RunningServer, start_server
from benchmarks.nginx import run_sources
from benchmarks.operations import UPDATE, USER, USERS, Lookups, Operation
from benchmarks.pairs import Ratio, Spent, alternate, ratios
from benchmarks.servers import Server, gateway_server, of_checkout
from benchmarks.source_responses import record
from benchmarks.table import table
from benchmarks.targets import BUSY

__all__ = ["TelemetryOutcome", "markdown", "run"]

OFF, CONTROL, BEFORE = "off", "off again", "before"
LOG, METRICS, TRACES_FEW, TRACES_ALL = "log", "metrics", "traces 1 %", "traces 100 %"
ALL, ALL_TRACED = "all on", "all on, traces 100 %"

_LEAN = {"GATEWAY_HTTP_CLIENT": "lean", "GATEWAY_HTTP_SERVER": "lean"}
_SERVERS: Mapping[str, Mapping[str, str]] = {"aiohttp": {}, "lean HTTP": _LEAN}
_STARTS = 3
_WARM_UP = 1.0  # seconds: code is compiled, documents are cached afterwards
_NO_LOG = {"GATEWAY_ACCESS_LOG": "off"}
_LOG = {"GATEWAY_ACCESS_LOG": "all", "GATEWAY_LOG_FORMAT": "json", "GATEWAY_LOG_LEVEL": "INFO"}
_UNMEASURED = "unmeasured"
"""The variant of `benchmarks/altered.py` without metrics, which no setting turns off."""

_OPERATIONS = (USER, USERS, UPDATE)
_TARGETS = {CONTROL: 1.02, TRACES_FEW: 1.05, ALL: 1.10}
"""The largest accepted ratio; that of the control is the accuracy of the measurement."""

_HOW = """CPU per request at {busy} connections, as the ratio to `{off}`, which logs, counts and traces nothing:
the median of the ratios of {rounds} rounds of {seconds:g} s, their quartiles in brackets, then µs. All processes are
started {starts} times, since two of the same configuration differ. `{control}` is the same configuration a second time,
and shows the accuracy. `log` writes a JSON line for each request to a file. Traces are exported to a receiver on the
other core."""

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration: its settings, whether it has metrics, and what must have arrived after the load."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    metrics: bool = True
    logs: bool = False
    ratio: float | None = None
    """The share of requests that are traced; None without an OTLP endpoint."""
    checkout: Path | None = None
    """Another checkout of the repository, whose gateway is run."""


@dataclass(slots=True)
class TelemetryOutcome:
    """The results: by HTTP server and title of an operation, the ratios of all variants."""

    machine: Mapping[str, str]
    rounds: int
    seconds: float
    results: dict[str, dict[str, dict[str, Ratio]]] = field(default_factory=dict)
    exported: dict[str, dict[str, float]] = field(default_factory=dict)
    """By HTTP server and variant, the exported spans for each request; fewer than made where the queue was full."""

    def json(self) -> bytes:
        """Return the results as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def variants(checkout: Path | None) -> list[Variant]:
    """Return the variants, the baseline first; with an earlier `checkout` it is one of them."""
    before = [] if checkout is None else [Variant(BEFORE, checkout=checkout)]
    return [
        Variant(OFF, _NO_LOG, metrics=False),
        *before,
        Variant(LOG, _LOG, metrics=False, logs=True),
        Variant(METRICS, _NO_LOG),
        Variant(TRACES_FEW, _NO_LOG, metrics=False, ratio=0.01),
        Variant(TRACES_ALL, _NO_LOG, metrics=False, ratio=1.0),
        Variant(ALL, _LOG, logs=True, ratio=0.01),
        Variant(ALL_TRACED, _LOG, logs=True, ratio=1.0),
        Variant(CONTROL, _NO_LOG, metrics=False),
    ]


def run(rounds: int, seconds: float, checkout: Path | None, report: Report) -> TelemetryOutcome:
    """Measure all variants on both HTTP servers, with a client of the same kind.

    Raises:
        FailedStartError: a program did not start.
        LoadError: a response under load was wrong.
        DisagreementError: a variant did not log or export what it should.
    """
    outcome = TelemetryOutcome(machine.describe_machine(), rounds, seconds)
    available = sorted(os.sched_getaffinity(0))
    cores = Cores(available[0], available[-1])
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        os.sched_setaffinity(0, {cores.load})
        responses = record(52)
        sources = stack.enter_context(run_sources(responses, {50, 51}, core=cores.load, folder=folder))
        start = partial(start_server, lookups=Lookups.BEST, sources=sources, cores=cores, folder=folder)
        measured: dict[str, dict[str, dict[str, list[Spent]]]] = {title: {} for title in _SERVERS}
        for title, settings in [*_SERVERS.items()] * _STARTS:
            with ExitStack() as fleet:
                running = {}
                for variant in variants(checkout):
                    report(f"starting {title}, {variant.name}")
                    collector = None
                    if variant.ratio is not None:
                        collector = fleet.enter_context(run_collector(core=cores.load, folder=folder))
                    server = _server(title, variant, settings, collector)
                    running[variant.name] = _Running(variant, fleet.enter_context(start(server)), collector, folder)
                _measure(running, measured[title], ceil(rounds / _STARTS), seconds, report)
                outcome.exported[title] = {
                    name: each.exported for name, each in running.items() if each.collector is not None
                }
                for each in running.values():
                    each.check()
    for title, by_operation in measured.items():
        outcome.results[title] = {name: ratios(by_variant, OFF) for name, by_variant in by_operation.items()}
    return outcome


@dataclass(slots=True)
class _Running:
    """A running variant, with its collector."""

    variant: Variant
    server: RunningServer
    collector: Collector | None
    folder: Path
    requests: int = 0

    def measure(self, operation: Operation | None, seconds: float) -> Spent:
        """Measure an operation, None for GetUser over gRPC."""
        if operation is None:
            spent = self.server.spend_grpc(connections=BUSY, seconds=seconds)
        else:
            spent = self.server.spend(operation, connections=BUSY, seconds=seconds)
        self.requests += spent.requests
        return spent

    @property
    def exported(self) -> float:
        """The number of received spans for each request."""
        return self.collector.received()["spans"] / self.requests if self.collector else 0.0

    def check(self) -> None:
        """Check that it logged and exported what it was started for."""
        lines = (self.folder / f"{self.server.server.name}-{Lookups.BEST}.log").read_bytes().count(b'"request_id"')
        if self.variant.checkout is None and (lines >= self.requests) != self.variant.logs:
            raise DisagreementError(
                f"{self.server.server.name} wrote {lines} access lines for {self.requests} requests"
            )
        if self.collector is not None and not self.collector.received()["spans"]:
            raise DisagreementError(f"{self.server.server.name} exported no span for {self.requests} requests")


def _server(title: str, variant: Variant, settings: Mapping[str, str], collector: Collector | None) -> Server:
    tracing = {}
    if collector is not None:
        tracing = {"GATEWAY_OTLP_ENDPOINT": collector.url, "GATEWAY_TRACE_RATIO": str(variant.ratio)}
    server = gateway_server(
        f"{title}-{variant.name}".replace(" ", "-"),
        {**settings, **variant.settings, **tracing},
        "" if variant.metrics or variant.checkout else _UNMEASURED,
    )
    return server if variant.checkout is None else of_checkout(server, variant.checkout)


def _measure(
    running: Mapping[str, _Running],
    measured: dict[str, dict[str, list[Spent]]],
    rounds: int,
    seconds: float,
    report: Report,
) -> None:
    """Add the measurements of all operations and variants to `measured`."""
    for title, operation in [*((each.title, each) for each in _OPERATIONS), ("gRPC GetUser", None)]:
        report(f"measuring {title}")
        for each in running.values():
            each.measure(operation, max(seconds, _WARM_UP))

        def measure(name: str, operation: Operation | None = operation) -> Spent:
            return running[name].measure(operation, seconds)

        by_variant = measured.setdefault(title, {name: [] for name in running})
        for name, spent in alternate(list(running), measure, rounds).items():
            by_variant[name] += spent


def markdown(outcome: TelemetryOutcome) -> str:
    """Return one table for each HTTP server, and the targets."""
    parts = [
        ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value) + ".",
        _HOW.format(
            busy=BUSY, off=OFF, control=CONTROL, rounds=outcome.rounds, starts=_STARTS, seconds=outcome.seconds
        ),
        *(_table(title, results, outcome.exported[title]) for title, results in outcome.results.items()),
        _verdicts(outcome),
    ]
    return "\n\n".join(parts) + "\n"


def _table(title: str, results: Mapping[str, Mapping[str, Ratio]], exported: Mapping[str, float]) -> str:
    names = list(next(iter(results.values())))
    head = [f"**{title}**", *(f"{operation}, µs" for operation in results), "spans exported per request"]
    rows = []
    for name in names:
        cells = [_cell(name, by_variant[name]) for by_variant in results.values()]
        rows.append([name, *cells, f"{exported[name]:.2f}" if name in exported else ""])
    return table(head, rows)


def _cell(name: str, ratio: Ratio) -> str:
    if name == OFF:
        return f"{ratio.cpu:,.0f}"
    return f"**{ratio.ratio:.3f}** ({ratio.low:.2f} to {ratio.high:.2f}) {ratio.cpu:,.0f}"


def _verdicts(outcome: TelemetryOutcome) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for name, limit in _TARGETS.items():
            worst, where = max(
                (by_variant[name].ratio, f"{operation}, {title}")
                for title, results in outcome.results.items()
                for operation, by_variant in results.items()
            )
            yield [f"{name}: at most {limit:.2f}", f"{worst:.3f}", where, "met" if worst <= limit else "**missed**"]

    return table(["**target**", "highest ratio", "of", ""], list(rows()))
