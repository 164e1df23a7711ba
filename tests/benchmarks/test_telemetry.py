"""The cost of log, metrics and traces: paired measurements, the receiver of spans, and the table."""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.collector import count_spans, run_collector
from benchmarks.pairs import Spent, alternate, ratios
from benchmarks.proc import exact_cpu_seconds
from benchmarks.telemetry import ALL, CONTROL, OFF, TRACES_FEW, TelemetryOutcome, markdown, variants


def exported(*scopes: int) -> bytes:
    """Return a message with one resource for each number, with so many spans in each of two scopes."""
    message = ExportTraceServiceRequest()
    for spans in scopes:
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "gateway"
        for _ in range(2):
            scope = resource.scope_spans.add(schema_url="https://schema.example")
            scope.scope.name = "gateway"
            for number in range(spans):
                scope.spans.add(name=f"GET /{number}" * 40, trace_id=b"\1" * 16).events.add(name="retry")
    return message.SerializeToString()


@pytest.mark.parametrize(("scopes", "spans"), [((), 0), ((0,), 0), ((1,), 2), ((3, 200), 406)])
def test_spans_are_counted(scopes: tuple[int, ...], spans: int) -> None:
    """The receiver counts the spans of all resources and scopes, whatever their size."""
    assert count_spans(exported(*scopes)) == spans


def test_the_receiver_counts_what_arrives(tmp_path: Path) -> None:
    """The receiver answers exports of traces and metrics with 200, and returns how many spans it got."""
    with run_collector(core=min(os.sched_getaffinity(0)), folder=tmp_path) as collector:
        connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=30)
        for path, body in (("traces", exported(5)), ("metrics", b""), ("traces", exported(1))):
            connection.request("POST", f"/v1/{path}", body)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"")
        connection.close()
        assert collector.received() == {"spans": 12, "traces": 2, "metrics": 1}


def test_variants_alternate() -> None:
    """Every round measures each variant once, not always in the same order."""
    order: list[str] = []

    def measure(variant: str) -> Spent:
        order.append(variant)
        return Spent(1.0, 1)

    measured = alternate(["a", "b", "c"], measure, 30)
    rounds = ["".join(order[start : start + 3]) for start in range(0, 90, 3)]
    assert {"".join(sorted(each)) for each in rounds} == {"abc"}
    assert {each[0] for each in rounds} == {"a", "b", "c"}
    assert {variant: len(spent) for variant, spent in measured.items()} == {"a": 30, "b": 30, "c": 30}


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which everything takes twice as long changes no ratio."""
    measured = {
        "off": [Spent(1.0, 10_000), Spent(2.0, 10_000), Spent(1.0, 10_000)],
        "log": [Spent(1.1, 10_000), Spent(2.2, 10_000), Spent(1.1, 10_000)],
    }
    found = ratios(measured, "off")
    assert found["off"].ratio == 1.0
    assert found["log"].ratio == pytest.approx(1.1)
    assert (found["log"].low, found["log"].high) == pytest.approx((1.1, 1.1))
    assert found["log"].cpu == pytest.approx(110)


def test_exact_cpu_time_is_that_of_the_process() -> None:
    """The exact CPU time of this process is that of Python's clock for it."""
    before = time.process_time()
    measured = exact_cpu_seconds(os.getpid())
    assert before <= measured <= time.process_time()


def test_telemetry_is_selected_like_a_server() -> None:
    """`--only telemetry` is accepted alone, and not beside servers."""
    for only, message in (("telemetry", "--rounds must be"), ("telemetry,floor", "cannot be combined")):
        command = [sys.executable, "-m", "benchmarks", "--only", only, "--rounds", "0"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 2
        assert message in result.stderr


def test_the_table_has_ratios_and_targets(tmp_path: Path) -> None:
    """The table has a row for each variant with its ratio, and each target with its highest ratio."""
    names = [variant.name for variant in variants(tmp_path)]
    measured = {name: [Spent(1.0 if name != ALL else 1.2, 10_000)] * 3 for name in names}
    outcome = TelemetryOutcome({"python": "CPython 3.11"}, 3, 0.4)
    outcome.results["lean HTTP"] = {"user(id)": ratios(measured, OFF)}
    outcome.exported["lean HTTP"] = {TRACES_FEW: 0.02}
    text = markdown(outcome)
    assert f"| {OFF} | 100 |  |" in text
    assert f"| {TRACES_FEW} | **1.000** (1.00 to 1.00) 100 | 0.02 |" in text
    assert f"| {CONTROL}: at most 1.02 | 1.000 | user(id), lean HTTP | met |" in text
    assert f"| {ALL}: at most 1.10 | 1.200 | user(id), lean HTTP | **missed** |" in text
