"""Metrics by OTLP, at a receiver on a real socket."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from e2e.conftest import fresh
from faults.conftest import eventually
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from security.outside import run_recorded, run_to_end
from telemetry.otlp_receiver import Receiver, attributes, metrics_of, receiving
from telemetry.scrape import scrape

from gateway import Gateway
from gateway.app.serving import serving
from gateway.settings import Settings

__all__ = ["fresh"]

SOURCE = {"GATEWAY_RESELLER__BASE_URL": "http://127.0.0.1:9", "GATEWAY_RESELLER__TOKEN": "x"}
RESELLER: dict[str, Any] = {"reseller": {"base_url": "http://127.0.0.1:9", "token": "x", "reseller_id": "1"}}
_NEVER = "3600"  # seconds: if the gateway waited for an exporter with this timeout, it would not stop
SERVED = {**SOURCE, "GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "off", "GATEWAY_RESELLER__RESELLER_ID": "1"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of OTLP."""
    async with receiving() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")


async def test_the_metrics_of_a_scrape_are_sent_with_the_names_of_opentelemetry(
    receiver: Receiver, fresh: Callable[..., Any]
) -> None:
    """Each series of `/metrics` is sent, with its value, and with types, units and attributes by the conventions."""
    world = await fresh(otlp_endpoint=receiver.url)
    await world.data("{ users(first: 5) { edges { node { name role { name } } } } }")
    await world.graphql("{ nonsense }")
    requests = await receiver.until(lambda: _counts_two_requests(receiver.metric("http.server.request.duration")))
    assert requests.unit == "s"
    (point,) = [each for each in requests.histogram.data_points if attributes(each)["http.route"] == "/graphql"]
    assert attributes(point) == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert (point.count, sum(point.bucket_counts), len(point.bucket_counts)) == (2, 2, len(point.explicit_bounds) + 1)
    assert (point.HasField("min"), point.HasField("max")) == (False, False)
    assert list(point.explicit_bounds)[:3] == [0.005, 0.01, 0.025]
    assert requests.histogram.aggregation_temporality == 2  # cumulative
    assert time.time_ns() - 60 * 10**9 < point.start_time_unix_nano < point.time_unix_nano

    (call,) = [
        each
        for each in receiver.metric("http.client.request.duration").histogram.data_points
        if attributes(each)["gateway.source"] == "account"
    ]
    found = attributes(call)
    assert found.pop("server.port") == int(world.control.rpartition(":")[2].partition("/")[0])
    assert found == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "http.response.status_code": 200,
        "url.template": "/v1/identity/account-users",
        "gateway.source": "account",
    }
    assert receiver.metric("process.cpu.time").sum.is_monotonic
    assert receiver.metric("gateway.circuit.state").gauge.data_points[0].as_double in {0.0, 1.0}


def _counts_two_requests(metric: Any) -> Any:
    if metric is None:
        return None
    counts = [each.count for each in metric.histogram.data_points if attributes(each)["http.route"] == "/graphql"]
    return metric if counts == [2] else None


async def test_as_many_series_are_sent_as_scraped(receiver: Receiver, fresh: Callable[..., Any]) -> None:
    """A scrape and an export have the same metrics with the same number of series."""
    world = await fresh(otlp_endpoint=receiver.url)
    await world.data("{ users(first: 5) { edges { node { name role { name } } } } }")
    async with world.session.get(f"{world.url}/metrics") as response:  # it counts itself when it has ended
        await response.read()
    async with world.session.get(f"{world.url}/metrics") as response:
        text = await response.text()
    scraped = {
        family.name.replace("_seconds", "").replace("_bytes", ""): len(
            {tuple(sorted(set(sample.labels.items()) - {("le", sample.labels.get("le"))})) for sample in family.samples}
        )
        for family in text_string_to_metric_families(text)
        if family.samples
    }
    count = len(receiver.metrics)
    await receiver.until(lambda: len(receiver.metrics) > count + 1)
    sent = {
        metric.name.replace(".", "_"): len(getattr(metric, metric.WhichOneof("data")).data_points)
        for metric in metrics_of(receiver.metrics[-1])
    }
    assert {name: size for name, size in scraped.items() if name.startswith(("http", "rpc", "gateway"))} == {
        name: size for name, size in sent.items() if name.startswith(("http", "rpc", "gateway"))
    }


async def test_the_process_names_itself_and_obeys_the_variables(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, fresh: Callable[..., Any]
) -> None:
    """Service, version, instance, further attributes, headers and compression are those of the variables."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "users")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    await fresh()
    await receiver.until(lambda: receiver.metrics)
    found = attributes(receiver.metrics[0].resource_metrics[0].resource)
    assert {name: found[name] for name in ("service.name", "service.version", "deployment.environment.name")} == {
        "service.name": "users",
        "service.version": "9",
        "deployment.environment.name": "test",
    }
    assert found["service.instance.id"]
    assert receiver.headers[0]["x-key"] == "abc"
    assert receiver.headers[0]["Content-Encoding"] == "gzip"


async def test_a_duration_leads_to_the_trace_of_a_request(receiver: Receiver, fresh: Callable[..., Any]) -> None:
    """If a request is recorded, its duration names its span, by OTLP and in OpenMetrics."""
    world = await fresh(otlp_endpoint=receiver.url, trace_ratio=1)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await world.data(
        'query Q { user(id: "x", source: ACCOUNT) { name } }', traceparent=f"00-{trace}-00f067aa0ba902b7-01"
    )

    def examples() -> list[Any]:
        metric = receiver.metric("gateway.operation.duration")
        return [] if metric is None else [each for point in metric.histogram.data_points for each in point.exemplars]

    (example,) = await receiver.until(examples)
    assert example.trace_id.hex() == trace
    assert time.time_ns() - 60 * 10**9 < example.time_unix_nano <= time.time_ns()
    text = (await scrape(world.session, world.url, "application/openmetrics-text;version=1.0.0")).text
    assert f'# {{span_id="{example.span_id.hex()}",trace_id="{trace}"}}' in text


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")], ids=["disabled", "none"]
)
async def test_the_variables_can_prevent_that_metrics_are_sent(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, fresh: Callable[..., Any], name: str, value: str
) -> None:
    """With the SDK disabled, or without an exporter of metrics, nothing is sent, although an endpoint is set."""
    monkeypatch.setenv(name, value)
    await fresh(otlp_endpoint=receiver.url)
    await asyncio.sleep(0.3)
    assert receiver.metrics == []


async def test_a_preference_that_has_no_effect_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a variable of OpenTelemetry prefers what the gateway does not have, the start says what it does."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA")
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,b3")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp,console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "OTLP, prometheus")
    async with serving(Settings(http_port=0, grpc_port=None, otlp_endpoint=receiver.url)):
        await receiver.until(lambda: receiver.metrics)
    assert _messages(caplog) == [
        "OTEL_TRACES_EXPORTER is otlp,console: the gateway has the exporter otlp alone",
        "OTEL_PROPAGATORS is tracecontext,b3, and has no effect: the gateway reads and sends W3C Trace Context",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is DELTA, and has no effect: the gateway sends cumulative",
    ]


async def test_an_embedded_gateway_leaves_the_variables_to_its_program(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """In a program that embeds the gateway, OpenTelemetry's variables are for the SDK of that program."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    async with Gateway(Settings(**RESELLER)) as gateway:
        await gateway.execute("{ __typename }")
        await asyncio.sleep(0.2)
    assert receiver.headers == []


async def test_the_last_export_has_everything_until_the_end(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """When the gateway stops, what was counted since the last export is sent."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
    settings = Settings(http_port=0, grpc_port=None, otlp_endpoint=receiver.url)
    async with serving(settings) as addresses:
        await receiver.until(lambda: receiver.metrics)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(addresses.http.rpartition(":")[2]))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
    assert len(receiver.metrics) == 2
    requests = receiver.metric("http.server.request.duration")
    assert [attributes(point)["http.route"] for point in requests.histogram.data_points] == ["/healthz"]


async def test_a_collector_that_is_away_is_logged_once_and_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway works without its collector; the log has one line when that begins, with the cause, and one after."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")  # after which an export has failed
    port = free_port()
    settings = Settings(http_port=0, grpc_port=None, otlp_endpoint=f"http://127.0.0.1:{port}?key=secret")
    with caplog.at_level(logging.INFO):
        async with AsyncExitStack() as receivers, serving(settings):
            await eventually(lambda: _messages(caplog))
            receiver = await receivers.enter_async_context(receiving(port))
            await receiver.until(lambda: len(receiver.metrics) > 1)
            await eventually(lambda: len(_messages(caplog)) > 1)
    begun, over = _messages(caplog)
    assert begun.startswith(f"sending the metrics to http://127.0.0.1:{port}/v1/metrics failed")
    assert begun.endswith(": Connection refused")
    assert "secret" not in begun
    assert over == f"the metrics are sent to http://127.0.0.1:{port}/v1/metrics again"
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gateway.telemetry"]


async def test_a_collector_that_hangs_holds_nothing_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are answered while an export hangs, and the process stops without waiting for its end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", _NEVER)
    receiver.hangs = True
    settings = Settings(http_port=0, grpc_port=None, otlp_endpoint=receiver.url)
    async with asyncio.timeout(30), serving(settings) as addresses:
        await receiver.until(lambda: receiver.headers)
        _, writer = await asyncio.open_connection("127.0.0.1", int(addresses.http.rpartition(":")[2]))
        writer.close()


async def test_the_console_script_exports_and_stops_without_its_collector(tmp_path: Path, receiver: Receiver) -> None:
    """`gateway serve` sends its metrics, and SIGTERM ends it within its time although the collector hangs by then."""

    def serve() -> None:
        environment = {
            **SERVED,
            "GATEWAY_OTLP_ENDPOINT": receiver.url,
            "GATEWAY_DRAIN_DELAY": "0",
            "OTEL_EXPORTER_OTLP_TIMEOUT": _NEVER,
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }
        with run_recorded(tmp_path / "output", "serve", **environment) as running:
            received.result(30)
            receiver.hangs = True
            running.stop()

    until_received = receiver.until(lambda: receiver.metrics)
    received = asyncio.run_coroutine_threadsafe(until_received, asyncio.get_running_loop())
    await asyncio.to_thread(serve)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "OTEL_METRIC_EXPORT_INTERVAL is 'soon'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is grpc"),
        ({"GATEWAY_OTLP_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, "leave out /v1/…"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no URL"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "api-key: marker-7"}, "OTEL_EXPORTER_OTLP_HEADERS has an entry"),
    ],
    ids=["interval", "protocol", "path", "url", "headers"],
)
def test_a_variable_that_is_not_supported_is_a_mistake_in_the_settings(
    environment: dict[str, str], message: str
) -> None:
    """What cannot work ends the start with 2 and the variable, without a header, which may be a key."""
    settings = {"GATEWAY_OTLP_ENDPOINT": "http://127.0.0.1:9", **SERVED, **environment}
    status, output = run_to_end("serve", **settings)
    assert (status, message in output, "Traceback" in output) == (2, True, False), output
    assert "marker" not in output


def _without_sdk(folder: Path) -> dict[str, str]:
    """Return the environment of a process in which the SDK and its exporter cannot be imported."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_without_the_extra_the_start_names_what_to_install(tmp_path: Path) -> None:
    """With an endpoint and without OpenTelemetry's SDK the gateway does not start, and names what to install."""
    endpoint = {"GATEWAY_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    status, output = run_to_end("serve", **SERVED, **endpoint, **_without_sdk(tmp_path))
    assert status == 2, output
    assert "pip install 'user-gateway[otel]'" in output
    assert "Traceback" not in output


def test_without_the_extra_and_an_endpoint_the_gateway_serves(tmp_path: Path) -> None:
    """OpenTelemetry's SDK is needed for nothing but sending by OTLP."""
    with run_recorded(tmp_path / "output", "serve", **SERVED, **_without_sdk(tmp_path)) as process:
        with urlopen(process.address("metrics")) as response:  # noqa: S310 - http to loopback
            assert b"gateway_build_info" in response.read()
        assert "Error" not in process.output
