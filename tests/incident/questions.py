"""What the operators of a gateway want to know, each answered from one kind of evidence alone.

The functions know the names of fields, metrics and attributes, and nothing of a certain incident.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from incident.evidence import Line, Metrics, Span

__all__ = [
    "Happened",
    "Period",
    "are_sources_or_gateway_slow",
    "causes",
    "did_a_shared_call_serve",
    "failing_clients",
    "failing_operations",
    "failing_source_now",
    "failing_surfaces",
    "periods",
    "refused_callers",
    "refused_origins",
    "refused_webhooks",
    "removed_keys",
    "running_replicas",
    "saved_by_retries",
    "slow_since",
    "slowest_operation",
    "slowest_source",
    "spender",
    "time_of",
    "was_carried_out",
    "was_leaving_an_error",
    "what_happened",
    "who_left",
]

_SLOW = 0.25  # seconds, the mean of the calls to a source


@dataclass(frozen=True, slots=True)
class Happened:
    """What became of a request."""

    caller: str
    operation: str
    codes: list[str]
    cause: str


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which something was so, in seconds since 1970; `end` is None where it has not ended."""

    start: float
    end: float | None


def _requests(log: Sequence[Line]) -> Iterator[Line]:
    return (line for line in log if line["logger"] == "gateway.access")


# From the log


def what_happened(log: Sequence[Line], request_id: str) -> Happened:
    """A user reports the id of a request: what became of it, and why?"""
    [line] = [line for line in _requests(log) if line["request_id"] == request_id]
    return Happened(line["caller"], line["operation"], line["codes"], line.get("cause", ""))


def was_carried_out(log: Sequence[Line], request_id: str) -> str:
    """Was a change carried out: yes, no, or does nobody know?"""
    if any(line["logger"] == "gateway.changes" and line.get("request_id") == request_id for line in log):
        return "unknown"
    return "no" if what_happened(log, request_id).codes else "yes"


def periods(log: Sequence[Line], state: str, source: str) -> list[Period]:
    """When was a source down, its credential refused, its response invalid, or Redis away?"""
    found: list[Period] = []
    for line in log:
        if line.get("state") == state and line.get("source", "") == source:
            if line["change"] == "begun":
                found.append(Period(line["at"], None))
            else:
                found[-1] = Period(found[-1].start, line["at"])
    return found


def causes(log: Sequence[Line], source: str) -> list[tuple[str, str]]:
    """Why did a source fail: what was called, and what happened?"""
    return [
        (line["url"], line["cause"])
        for line in log
        if line.get("change") == "begun" and line.get("source") == source and line.get("url")
    ]


def refused_origins(log: Sequence[Line]) -> set[str]:
    """From the pages of which origins were requests refused?"""
    return {line["origin"] for line in log if "origin" in line}


def removed_keys(log: Sequence[Line]) -> list[str]:
    """Whose API key was removed?"""
    return [caller for line in log for caller in line.get("removed", ())]


def refused_callers(log: Sequence[Line]) -> Counter[str]:
    """Which callers were refused because they spent their allowance, and how often?"""
    return Counter(line["caller"] for line in _requests(log) if "RATE_LIMITED" in line["codes"] and not line["calls"])


def failing_clients(log: Sequence[Line], operation: str, code: str) -> set[tuple[str, str]]:
    """Which version of which frontend sends the operation that fails?"""
    return {
        (line["client"], line["client_version"])
        for line in _requests(log)
        if line["operation"] == operation and code in line["codes"]
    }


def who_left(log: Sequence[Line]) -> list[str]:
    """Which requests did clients not wait for?"""
    return [line["request_id"] for line in _requests(log) if line["status"] == 499]


# From the metrics


def slowest_source(metrics: Metrics) -> str:
    """Which source is slow, for most calls?"""
    slow: dict[str, float] = defaultdict(float)
    for _, _, by_source in _mean_calls(metrics):
        for source, (mean, count) in by_source.items():
            if mean > _SLOW:
                slow[source] += count
    return max(slow, key=lambda source: slow[source])


def slow_since(metrics: Metrics, source: str) -> Period:
    """Since when is a source slow, and until when?"""
    slow = [
        (start, end) for start, end, by_source in _mean_calls(metrics) if by_source.get(source, (0.0, 0))[0] > _SLOW
    ]
    return Period(slow[0][0], slow[-1][1])


def are_sources_or_gateway_slow(metrics: Metrics) -> str:
    """Is it us or them: what do requests wait for most?"""
    total = sum(metrics.increase("gateway_operation_duration_seconds_sum", "surface", kind="query").values())
    overhead = sum(metrics.increase("gateway_overhead_seconds_sum", "surface", kind="query").values())
    return "gateway" if overhead > total / 2 else "sources"


def failing_operations(metrics: Metrics) -> Counter[str]:
    """Which operations fail, and how often?"""
    name = "gateway_operation_duration_seconds_count"
    failed: Counter[str] = Counter(metrics.increase(name, "operation"))
    failed.subtract(metrics.increase(name, "operation", code="OK"))
    return +failed


def failing_surfaces(metrics: Metrics) -> set[str]:
    """Which surfaces have requests that fail?"""
    name = "gateway_operation_duration_seconds_count"
    failed: Counter[str] = Counter(metrics.increase(name, "surface"))
    failed.subtract(metrics.increase(name, "surface", code="OK"))
    return {surface for surface, count in failed.items() if count > 0}


def refused_webhooks(metrics: Metrics) -> dict[str, float]:
    """How many webhooks were refused, and why?"""
    results = metrics.increase("gateway_webhooks_total", "result")
    return {result: count for result, count in results.items() if count and result in {"unsigned", "expired"}}


def _mean_calls(metrics: Metrics) -> Iterator[tuple[float, float, dict[str, tuple[float, float]]]]:
    """Yield the mean seconds of a call and the number of calls by source, for each interval between two scrapes."""
    name = "http_client_request_duration_seconds"
    for (start, end, seconds), (_, _, counts) in zip(
        metrics.increases(f"{name}_sum", "gateway_source"),
        metrics.increases(f"{name}_count", "gateway_source"),
        strict=True,
    ):
        yield (
            start,
            end,
            {source: (total / counts[source], counts[source]) for source, total in seconds.items() if counts[source]},
        )


# From the traces


def time_of(spans: Sequence[Span], trace_id: str) -> tuple[str, float]:
    """On what did a request spend most of its time, and what share?"""
    [root] = [span for span in spans if span.trace_id == trace_id and span.kind == "server"]
    longest = max((span for span in spans if span.parent_id == root.span_id), key=lambda span: span.seconds)
    return longest.attributes["gateway.source"], longest.seconds / root.seconds


def saved_by_retries(spans: Sequence[Span]) -> int:
    """Did retries help: how many requests succeeded with the response to a further attempt?"""
    resent = {
        span.parent_id for span in spans if span.attributes.get("http.request.resend_count") and not span.is_error
    }
    return sum(span.span_id in resent and not span.is_error for span in spans if span.kind == "server")


def did_a_shared_call_serve(spans: Sequence[Span], trace_id: str) -> bool:
    """Did a request get the response to a call that another one made?"""
    linked = {link for span in spans for link in span.links if span.trace_id != link[0]}
    calls = {(span.trace_id, span.span_id) for span in spans if span.kind == "client"}
    return any(
        trace_id in {span.trace_id, other}
        for span in spans
        for other, call in span.links
        if (other, call) in linked & calls
    )


def was_leaving_an_error(spans: Sequence[Span], request_id: str) -> bool:
    """Does a client that disconnects count as a failure of ours?"""
    [span] = [span for span in spans if span.attributes.get("gateway.request.id") == request_id]
    return span.is_error


# From `/status`


def failing_source_now(status: Any) -> tuple[str, str, str]:
    """Which source fails at this moment, in which state is its circuit, and with what cause?"""
    [source] = [source for source in status["sources"] if source["circuit"] != "closed"]
    return source["name"], source["circuit"], source["last_failure"]["cause"]


def spender(status: Any) -> str:
    """Who spends the budget of the sources?"""
    return str(max(status["callers"], key=lambda caller: sum(caller["calls"].values()))["caller"])


def slowest_operation(status: Any) -> str:
    """Which operation is slowest?"""
    return str(max(status["operations"], key=lambda operation: operation["p95_ms"] or 0)["operation"])


def running_replicas(status: Any) -> list[tuple[str, str]]:
    """Which replicas run, and which version?"""
    return [(replica["replica"], replica["version"]) for replica in status["replicas"]]
