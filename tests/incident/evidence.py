"""What an operator has after an incident: the log, scrapes of the metrics, spans, and `/status`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opentelemetry.proto.trace.v1 import trace_pb2
from prometheus_client.parser import text_string_to_metric_families
from telemetry.otlp_receiver import attributes

__all__ = ["Evidence", "Line", "Metrics", "Scrape", "Span", "parse_log", "parse_scrape", "parse_span"]

Line = dict[str, Any]
"""A line of the JSON log, with `at`, its time in seconds since 1970, in addition."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span; `kind` is `server`, `client` or another one, times are in seconds since 1970."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: float
    end: float
    is_error: bool
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...] = ()

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of `/metrics` at one time: their values by name and labels."""

    at: float
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(slots=True)
class Metrics:
    """The scrapes in their order, read as Prometheus does."""

    scrapes: list[Scrape] = field(default_factory=list)

    def increase(self, name: str, by: str, **labels: str) -> dict[str, float]:
        """Return how much the counters of a name grew in all, summed by the values of the label `by`."""
        return self._difference(self.scrapes[0], self.scrapes[-1], name, by, labels)

    def increases(self, name: str, by: str, **labels: str) -> Iterator[tuple[float, float, dict[str, float]]]:
        """Yield the start and the end of each interval between two scrapes, with the increase in it."""
        for earlier, later in zip(self.scrapes, self.scrapes[1:], strict=False):
            yield earlier.at, later.at, self._difference(earlier, later, name, by, labels)

    def values(self, name: str, by: str, **labels: str) -> Iterator[tuple[float, dict[str, float]]]:
        """Yield the time of each scrape, and the values of a gauge by the values of the label `by`."""
        for scrape in self.scrapes:
            yield scrape.at, _sum(scrape, name, by, labels)

    @staticmethod
    def _difference(earlier: Scrape, later: Scrape, name: str, by: str, labels: dict[str, str]) -> dict[str, float]:
        before = _sum(earlier, name, by, labels)
        return {value: total - before.get(value, 0.0) for value, total in _sum(later, name, by, labels).items()}


@dataclass(slots=True)
class Evidence:
    """All that is left of an incident. `during` is the `/status` of one moment within it, `status` that at the end."""

    log: list[Line]
    metrics: Metrics
    spans: list[Span]
    during: Any
    status: Any


def parse_log(text: str) -> list[Line]:
    """Return the lines of a JSON log.

    Raises:
        ValueError: a line is not a JSON object with a time.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            fields = json.loads(line)
            lines.append({**fields, "at": datetime.fromisoformat(fields["time"]).timestamp()})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of the log is no JSON object with a time: {line!r}") from error
    return lines


def parse_span(span: trace_pb2.Span) -> Span:
    """Return a span as it was received by OTLP."""
    return Span(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start=span.start_time_unix_nano / 1e9,
        end=span.end_time_unix_nano / 1e9,
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes=attributes(span),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def parse_scrape(at: float, text: str) -> Scrape:
    """Return the samples of a response of `/metrics`."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return Scrape(at, samples)


def _sum(scrape: Scrape, name: str, by: str, labels: dict[str, str]) -> dict[str, float]:
    wanted = set(labels.items())
    totals: dict[str, float] = {}
    for (sample, sample_labels), value in scrape.samples.items():
        if sample == name and wanted <= sample_labels:
            key = dict(sample_labels).get(by, "")
            totals[key] = totals.get(key, 0.0) + value
    return totals
