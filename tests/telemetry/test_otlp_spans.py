"""Spans by OTLP, at a receiver on a real socket."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from e2e.conftest import fresh
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from ports import free_port
from security.outside import run_recorded
from telemetry.otlp_receiver import Receiver, attributes, receiving

from gateway.app.serving import serving
from gateway.settings import Settings
from gateway.telemetry.otlp import ExportLog, Signal

__all__ = ["fresh"]

USER = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SERVER, CLIENT = 2, 3  # SpanKind of OTLP
_NEVER = "3600"  # seconds: if the gateway waited for an exporter with this timeout, it would not stop
UNREACHABLE = {"GATEWAY_RESELLER__BASE_URL": "http://127.0.0.1:9", "GATEWAY_RESELLER__TOKEN": "x"}
SERVED = {**UNREACHABLE, "GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "off", "GATEWAY_RESELLER__RESELLER_ID": "1"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of OTLP."""
    async with receiving() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")


async def test_a_request_and_its_call(
    receiver: Receiver, fresh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request and its call arrive as spans of one trace, with the resource and the headers of OpenTelemetry."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "users-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=7")
    world = await fresh(otlp_endpoint=receiver.url, trace_ratio=1)
    await world.data(USER)
    await receiver.until(lambda: len(receiver.spans()) >= 2)
    spans = {span.kind: span for span in receiver.spans()}
    assert spans.keys() == {SERVER, CLIENT}
    server, call = spans[SERVER], spans[CLIENT]
    assert (server.name, call.name) == ("query Ada", "GET /v1/identity/account-users/{id}")
    assert (call.trace_id, call.parent_span_id) == (server.trace_id, server.span_id)
    assert server.start_time_unix_nano <= call.start_time_unix_nano < call.end_time_unix_nano
    assert attributes(call)["http.response.status_code"] == 200
    resource = attributes(receiver.traces[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("users-eu", "test")
    assert receiver.headers[0]["x-tenant"] == "7"
    [sent] = await world.calls()
    assert sent["headers"]["traceparent"] == f"00-{call.trace_id.hex()}-{call.span_id.hex()}-01"


async def test_the_share_of_traces(receiver: Receiver, fresh: Callable[..., Any]) -> None:
    """Of the traces that begin here a share is recorded, also none; those that a caller records always are."""
    world = await fresh(otlp_endpoint=receiver.url, trace_ratio=0)
    for _ in range(5):
        await world.data(USER)
    await world.data(USER, traceparent=f"{SAMPLED[:-2]}fc")  # flags without a meaning
    await world.data(USER, traceparent=SAMPLED)
    await receiver.until(lambda: len(receiver.spans()) >= 2)
    assert {span.trace_id.hex() for span in receiver.spans()} == {SAMPLED[3:35]}
    *unrecorded, recorded = [call["headers"]["traceparent"] for call in await world.calls()]
    assert all(sent.endswith("-00") for sent in unrecorded)
    assert recorded.endswith("-01")


@pytest.mark.parametrize(
    ("variables", "spans"),
    [
        ({"OTEL_TRACES_SAMPLER": "always_on"}, 2),
        ({"OTEL_SDK_DISABLED": "true"}, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, 0),
    ],
    ids=["sampler", "disabled", "no exporter"],
)
async def test_the_variables_of_opentelemetry(
    receiver: Receiver,
    fresh: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    spans: int,
) -> None:
    """The standard variables decide about the sampler, and whether there are spans at all."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    world = await fresh(otlp_endpoint=receiver.url, trace_ratio=0 if spans else 1)
    await world.data(USER, traceparent="" if spans else SAMPLED)
    if spans:
        await receiver.until(lambda: len(receiver.spans()) >= spans)
        return
    await asyncio.sleep(0.3)
    assert receiver.spans() == []
    [sent] = await world.calls()
    assert sent["headers"]["traceparent"] == SAMPLED


async def test_the_last_spans(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the gateway stops, the spans that were not sent yet are sent."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    settings = Settings(http_port=0, grpc_port=None, otlp_endpoint=receiver.url, trace_ratio=1)
    async with serving(settings) as addresses, ClientSession() as session:
        await (await session.post(f"{addresses.http}/graphql", json={"query": "query T { __typename }"})).read()
        assert receiver.spans() == []
    assert [span.name for span in receiver.spans()] == ["query T"]


@pytest.mark.parametrize("state", ["away", "silent"])
async def test_a_collector_that_does_not_respond(state: str, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is away or never responds delays neither requests nor the stop, and is logged once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", _NEVER)
    async with asyncio.timeout(30), receiving() as receiver:
        receiver.hangs = True
        endpoint = receiver.url if state == "silent" else f"http://127.0.0.1:{free_port()}"
        settings = Settings(http_port=0, grpc_port=None, otlp_endpoint=endpoint, trace_ratio=1)
        async with serving(settings) as addresses, ClientSession() as session:
            for _ in range(3):
                async with session.post(f"{addresses.http}/graphql", json={"query": "{ __typename }"}) as response:
                    assert (await response.json())["data"] == {"__typename": "Query"}
    for thread in threading.enumerate():
        if thread.name == "spans by OTLP":  # whose exporter fails now, since its collector closed the connection
            await asyncio.to_thread(thread.join, 30)
    messages = [record.getMessage() for record in caplog.records if record.name == "gateway.telemetry"]
    assert len(messages) == 1
    assert messages[0].startswith(f"sending the traces to {endpoint}/v1/traces failed")
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@127.0.0.1:1/v1/traces?key=s3cret|s3cret two",  # which is escaped when it is sent
        "http://user:s3cret@127.0.0.1:99999/v1/traces",  # which the exporter cannot parse
    ],
)
def test_the_cause_of_a_failed_export(url: str, caplog: Any) -> None:
    """It has neither the credentials nor the query of the URL, in whatever form the exporter writes them."""
    exporter = OTLPSpanExporter(url, timeout=0.1)
    with ExportLog(Signal.TRACES, url, trace_exporter._logger) as log:
        exporter.export([])
        log.note(succeeded=False)
    [record] = caplog.records
    assert "127.0.0.1" in record.getMessage()
    assert "s3cret" not in record.getMessage()


def test_an_export_that_is_not_waited_for(caplog: Any) -> None:
    """What the exporter logs is left out until its last export has ended, which may be later than the gateway."""
    exporter = logging.getLogger("tests.exporter")
    with ExitStack() as export:
        with ExportLog(Signal.TRACES, "http://127.0.0.1:1/v1/traces", exporter) as log:
            export.enter_context(log.exporting())
            log.note(succeeded=False)
        exporter.error("with a secret")
        log.note(succeeded=False)
    exporter.error("of another gateway")
    logged = [record.getMessage() for record in caplog.records]
    assert logged[0].startswith("sending the traces to http://127.0.0.1:1/v1/traces failed")
    assert logged[1:] == ["of another gateway"]


async def test_the_console_script(tmp_path: Any, receiver: Receiver) -> None:
    """`gateway serve` sends its last spans at SIGTERM; with a collector that never responds it stops in time too."""

    async def request(url: str) -> None:
        async with ClientSession() as session, session.get(f"{url}/nothing") as response:
            assert response.status == 404

    def serve() -> None:
        environment = {
            **SERVED,
            "GATEWAY_OTLP_ENDPOINT": receiver.url,
            "GATEWAY_TRACE_RATIO": "1",
            "GATEWAY_DRAIN_DELAY": "0",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": _NEVER,
            "OTEL_METRICS_EXPORTER": "none",
        }
        with run_recorded(tmp_path / "output", "serve", **environment) as running:
            asyncio.run(request(running.address("metrics").removesuffix("/metrics")))
            running.stop()

    await asyncio.to_thread(serve)
    assert [span.name for span in receiver.spans()] == ["GET"]
    receiver.hangs = True
    await asyncio.to_thread(serve)
