"""The metrics of requests, calls, feeds and the process, as a scraper gets them from a running gateway."""

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession, WSMsgType
from e2e.conftest import fresh
from faults.conftest import eventually
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from security.manifests import sha256
from telemetry.scrape import Scrape, scrape

from gateway import Gateway, Settings
from gateway.app.serving import serving
from gateway.kit.server_address import server_address
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, WEBHOOK_TOKEN, SandboxOptions, SandboxServer
from gateway.telemetry.feeds import FeedLag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.report import CLIENT_LEFT, RequestReport
from gateway.telemetry.request_metrics import RequestMetrics
from usergateway.v1 import users_pb2

__all__ = ["fresh"]

ADA = LANDMARKS["account"]["ada"]
RESELLER = {"base_url": "http://127.0.0.1:9", "token": "x", "reseller_id": "1"}
USER = f'query Known {{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
REQUESTS = "http_server_request_duration_seconds_count"
OPERATIONS = "gateway_operation_duration_seconds_count"
CALLS = "http_client_request_duration_seconds_count"
Fresh = Callable[..., Any]


async def scraped(world: Any) -> Scrape:
    """Return the present metrics of a world."""
    return await scrape(world.session, world.url)


async def test_requests_by_http_have_the_conventions_labels(fresh: Fresh) -> None:
    """Method, route, status and scheme of each request are labels, and an error is one of the server alone."""
    world = await fresh()
    await world.data(USER)
    for method, path in (("GET", "/healthz"), ("GET", "/nowhere"), ("DELETE", "/graphql"), ("HEAD", "/healthz")):
        async with world.session.request(method, f"{world.url}{path}"):
            pass
    got = {
        (each.get("http_request_method"), each.get("http_route", ""), each["http_response_status_code"])
        for each in (await scraped(world)).labels(REQUESTS)
    }
    assert got == {
        ("POST", "/graphql", "200"),
        ("GET", "/healthz", "200"),
        ("GET", "", "404"),
        ("DELETE", "/graphql", "405"),
        ("HEAD", "/healthz", "200"),
    }
    labels = (await scraped(world)).labels(REQUESTS)
    assert {each["url_scheme"] for each in labels} == {"http"}
    assert not [each for each in labels if "error_type" in each]


def test_a_status_from_500_on_is_the_type_of_an_error() -> None:
    """A defect is an error of the server; a refused request is none, nor is one whose client has left."""
    metrics = Metrics()
    record = RequestMetrics(metrics)
    for status in (200, 404, CLIENT_LEFT, 500, 503):
        record([RequestReport("http", method="GET", scheme="http", route="/images/{token}", status=status)])
    samples = [sample for family in metrics.registry.collect() for sample in family.samples if sample.name == REQUESTS]
    found = {sample.labels["http_response_status_code"]: sample.labels["error_type"] for sample in samples}
    assert found == {"200": "", "404": "", "499": "", "500": "500", "503": "503"}


async def test_operations_of_all_surfaces_are_counted_by_kind_and_code(tmp_path: Path) -> None:
    """A trusted document has its name, every other operation is `other`; a gRPC method has its name."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({sha256(USER): USER}))
    async with SandboxServer(SandboxOptions(rate_limits=False)) as sandbox, ClientSession() as session:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        settings = Settings(http_port=0, grpc_port=0, account=account, documents={"manifests": str(manifest)})
        async with serving(settings) as addresses:
            url = f"{addresses.http}/graphql"

            async def post(body: dict[str, Any]) -> None:
                async with session.post(url, json=body) as response:
                    await response.read()

            await post({"query": USER})
            await post({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(USER)}}})
            await post({"query": USER.replace("Known", "Chosen")})
            await post({"query": "{ nonsense }"})
            await _by_websocket(session, url, USER)
            async with grpc.aio.insecure_channel(addresses.grpc or "") as channel:
                method = "/usergateway.v1.UserService/GetUser"
                call = channel.unary_unary(
                    method,
                    request_serializer=users_pb2.GetUserRequest.SerializeToString,
                    response_deserializer=users_pb2.User.FromString,
                )
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(users_pb2.GetUserRequest(id="nonsense"))

            async def ended() -> bool:  # which is later than its last message by a WebSocket or gRPC
                return (await scrape(session, addresses.http)).total(OPERATIONS) == 6

            await eventually(ended)
            got = await scrape(session, addresses.http)
    counted = {tuple(each[name] for name in ("surface", "operation", "code")): each for each in got.labels(OPERATIONS)}
    assert set(counted) == {
        ("http", "Known", "OK"),
        ("http", "other", "OK"),
        ("http", "other", "GRAPHQL_VALIDATION_FAILED"),
        ("websocket", "Known", "OK"),
        ("grpc", "GetUser", "BAD_USER_INPUT"),
    }
    assert got.total(OPERATIONS, surface="http", operation="Known") == 2
    assert counted["http", "other", "OK"]["kind"] == "query"
    (rpc,) = got.labels("rpc_server_call_duration_seconds_count")
    assert rpc == {
        "rpc_system_name": "grpc",
        "rpc_method": "usergateway.v1.UserService/GetUser",
        "rpc_response_status_code": "INVALID_ARGUMENT",
    }


async def _by_websocket(session: ClientSession, url: str, query: str) -> None:
    """Execute one operation by graphql-transport-ws."""
    async with session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        async for message in socket:
            if message.type is WSMsgType.TEXT and json.loads(message.data)["type"] == "complete":
                break


async def test_whatever_clients_send_there_is_a_bounded_number_of_series(fresh: Fresh) -> None:
    """Paths, methods, hosts, origins, ids and names of operations and clients make no series."""
    world = await fresh()
    await world.data(USER)
    before = len((await scraped(world)).samples)
    async with world.session.request("MARKERMETHOD", f"{world.url}/graphql"):
        pass
    known = len((await scraped(world)).samples)
    for number in range(20):
        name = f"marker{number}"
        headers = {
            "Host": f"{name}.example",
            "User-Agent": name,
            "Origin": f"https://{name}.example",
            "X-Request-ID": name,
            "X-Forwarded-Proto": name,
            "X-Forwarded-Host": name,
            "apollographql-client-name": name,
            "apollographql-client-version": name,
            "traceparent": f"00-{number + 1:032x}-{number + 1:016x}-01",
        }
        await world.graphql(USER.replace("Known", name), **headers)
        async with world.session.request(f"MARKER{number}", f"{world.url}/graphql", headers=headers):
            pass
        async with world.session.get(f"{world.url}/{name}?{name}={name}", headers=headers):
            pass
        async with world.session.get(f"{world.url}/images/{name}", headers=headers):
            pass
    after = await scraped(world)
    assert "marker" not in after.text.lower()
    one_histogram = 17  # series
    # A request to /metrics, one without an endpoint, one for a picture that does not exist, and a refused origin.
    assert len(after.samples) - known <= 5 * one_histogram, sorted({sample.name for sample in after.samples})
    assert known - before <= 2 * one_histogram


async def test_calls_have_the_conventions_labels(fresh: Fresh) -> None:
    """A call has its method, server, path without ids and status as labels; if it failed, the type of the error."""
    world = await fresh(max_attempts=1)
    await world.data(USER)
    await world.fault(source="account", kind="status", status=503)
    await world.graphql(USER)
    await world.fault(source="account", kind="hangup-after")
    await world.graphql(USER)
    port = world.control.rpartition(":")[2].partition("/")[0]
    same = {
        "http_request_method": "GET",
        "server_address": "127.0.0.1",
        "server_port": port,
        "url_template": "/v1/identity/account-users",
        "gateway_source": "account",
    }
    got = (await scraped(world)).labels(CALLS)
    for each in got:
        each["url_template"] = each["url_template"].partition("/{")[0]  # type: ignore[index] # a copy of the labels
    assert got == [
        {**same, "http_response_status_code": "200"},
        {**same, "http_response_status_code": "503", "error_type": "503"},
        {**same, "error_type": "SOURCE_UNAVAILABLE"},
    ]


async def test_overhead_is_what_no_call_takes(fresh: Fresh) -> None:
    """While a source is slow, operations last long, and the overhead stays short."""
    world = await fresh()
    await world.fault(source="account", kind="slow", delay=0.6)
    await world.data(USER)
    got = await scraped(world)
    assert got.total("gateway_operation_duration_seconds_sum") > 0.6
    assert got.total("gateway_overhead_seconds_count", surface="http", kind="query") == 1
    assert got.total("gateway_overhead_seconds_sum") < got.total("gateway_operation_duration_seconds_sum") - 0.6


async def test_batches_and_kept_records_are_counted(fresh: Fresh) -> None:
    """The lookups of roles are one batch of their number; the next operation finds all of them kept."""
    world = await fresh()
    query = "{ users(first: 20, filter: {sources: [ACCOUNT]}) { nodes { role { owner { type } } } } }"
    await world.data(query)
    first = await scraped(world)
    size, count = "gateway_batch_size_sum", "gateway_batch_size_count"
    roles = {"source": "account", "kind": "Role"}
    lookups = first.total(size, **roles)
    assert first.total(count, **roles) == 1
    assert lookups > 1
    assert first.total("gateway_kept_total", source="account", result="miss") == lookups
    assert first.total("gateway_kept_total", source="account", result="hit") == 0
    await world.data(query)
    second = await scraped(world)
    assert second.total("gateway_kept_total", source="account", result="hit") == lookups
    assert second.total(count, **roles) == 1


async def test_what_is_left_of_a_rate_limit_and_the_waits_for_it(fresh: Fresh) -> None:
    """Calls take tokens; a call that waits is counted while it does, and its wait is measured."""
    world = await fresh(account={"rate_limit": 0.4}, softwareone={"rate_limit": 5})  # a call in 2.5 seconds
    before = await scraped(world)
    assert before.labels("gateway_pacing_limit") == [
        {"source": "account"},
        {"source": "softwareone"},
        {"source": "reseller"},
    ]
    assert before.total("gateway_pacing_tokens", source="account") == 1
    await world.data(USER)
    operation = asyncio.create_task(world.data(USER))

    async def waiting() -> bool:
        return (await scraped(world)).total("gateway_pacing_waiting", source="account") == 1

    await eventually(waiting)
    await operation
    after = await scraped(world)
    assert after.total("gateway_pacing_waiting") == 0
    assert after.total("gateway_pacing_wait_seconds_count", source="account") == 1
    assert after.total("gateway_pacing_tokens", source="account") == 0


async def test_the_lag_of_feeds_is_that_of_the_last_report(fresh: Fresh) -> None:
    """A polled source and one with webhooks have a lag, a source without a feed has none."""
    world = await fresh(account={"poll_interval": 3600}, reseller={"webhook_token": WEBHOOK_TOKEN}, softwareone={})

    async def polled() -> bool:
        return (await scraped(world)).total("gateway_polls_total", source="account") == 1

    await eventually(polled)
    got = await scraped(world)
    assert {each["source"] for each in got.labels("gateway_feed_lag_seconds")} == {"account", "reseller"}
    assert got.total("gateway_feed_lag_seconds", source="account") < 30


def test_a_feed_that_another_replica_polls_has_no_lag() -> None:
    """The lag of a feed grows until its next report, and there is none while another replica polls."""
    now = 100.0
    feeds = FeedLag(clock=lambda: now)
    feeds.expect("account")
    now = 130.0
    feeds.expect("account")  # a second site of the same gateway
    assert feeds.seconds() == {"account": 30.0}
    feeds.reported("account")
    assert feeds.seconds() == {"account": 0.0}
    feeds.left_to_another("account")
    assert feeds.seconds() == {}


async def test_a_blocked_event_loop_is_measured() -> None:
    """While the loop does one long step, its lag is as long."""
    async with Gateway(Settings()) as gateway:
        await asyncio.sleep(0.6)
        time.sleep(1.2)  # noqa: ASYNC251 - to block the loop is what the test is about
        await asyncio.sleep(0.01)
        registry = gateway.metrics.registry
        total = registry.get_sample_value("gateway_event_loop_lag_seconds_count")
        short = registry.get_sample_value("gateway_event_loop_lag_seconds_bucket", {"le": "0.5"})
    assert total is not None
    assert short is not None
    assert total - short >= 1


async def test_active_requests_are_those_that_are_executed(fresh: Fresh) -> None:
    """A request is active until its response, or until its client leaves."""
    world = await fresh()
    await world.fault(source="account", kind="slow", delay=60)
    leaving = asyncio.create_task(world.data(USER))

    async def active() -> float:
        return (await scraped(world)).total("gateway_active_requests", surface="http")

    async def two() -> bool:
        return await active() == 2  # the scrape is one

    await eventually(two)
    leaving.cancel()

    async def one() -> bool:
        return await active() == 1

    await eventually(one)

    async def counted() -> bool:  # when its cancelled call has ended too
        return (await scraped(world)).total(OPERATIONS) == 1

    await eventually(counted)
    got = await scraped(world)
    assert got.total(OPERATIONS, code="CANCELLED") == 1
    assert got.total(REQUESTS, http_response_status_code="499", error_type="") == 1


async def test_no_request_stays_active_when_clients_leave_their_streams() -> None:
    """Event streams, WebSockets and gRPC streams are active until their clients have gone, in whatever way."""
    watch = "subscription Watched { userChanged { change } }"
    settings = Settings(http_port=0, grpc_port=0, reseller=RESELLER)
    async with serving(settings) as addresses, ClientSession() as session:

        def active(**counts: int) -> Callable[[], Any]:
            async def reached() -> bool:
                got = await scrape(session, addresses.http)
                present = {each: got.total("gateway_active_requests", surface=each) for each in counts}
                return present == {**counts, "http": counts["http"] + 1}  # the scrape is one

            return reached

        url = f"{addresses.http}/graphql"
        stream = await session.post(url, json={"query": watch}, headers={"Accept": "text/event-stream"})
        await stream.content.readline()
        socket = await session.ws_connect(url, protocols=["graphql-transport-ws"])
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": watch}})
        channel = grpc.aio.insecure_channel(addresses.grpc or "")
        method = channel.unary_stream(
            "/usergateway.v1.UserService/WatchUsers",
            request_serializer=users_pb2.WatchUsersRequest.SerializeToString,
            response_deserializer=users_pb2.UserEvent.FromString,
        )
        call = method(users_pb2.WatchUsersRequest())
        await call.initial_metadata()
        await eventually(active(http=1, websocket=1, grpc=1))
        stream.close()
        assert socket._writer.transport is not None
        socket._writer.transport.abort()
        call.cancel()
        await eventually(active(http=0, websocket=0, grpc=0))
        await channel.close()

        async def counted() -> bool:  # some iterations of the event loop later, since their calls may go on
            return (await scrape(session, addresses.http)).total(OPERATIONS) == 3

        await eventually(counted)
        got = await scrape(session, addresses.http)
    kinds = {each["surface"]: (each["kind"], each["code"]) for each in got.labels(OPERATIONS)}
    assert kinds == {
        "http": ("subscription", "CANCELLED"),
        "websocket": ("subscription", "CANCELLED"),
        "grpc": ("stream", "CANCELLED"),
    }
    assert got.labels("gateway_overhead_seconds_count") == []


async def test_the_reason_for_not_compiling_is_counted_once_for_an_operation(
    fresh: Fresh, caplog: pytest.LogCaptureFixture
) -> None:
    """An operation that graphql-core executes is counted when it is prepared, and logged for debugging."""
    world = await fresh()
    with caplog.at_level(logging.DEBUG, "gateway.graphql"):
        for _ in range(2):
            await world.data("{ __schema { queryType { name } } }")
            await world.data(USER)
    got = await scraped(world)
    assert got.labels("gateway_documents_uncompiled_total") == [{"reason": "__schema"}]
    assert got.total("gateway_documents_uncompiled_total") == 1
    reasons = [each.args for each in caplog.records if "graphql-core" in each.getMessage()]
    assert reasons == [("__schema",)]


async def test_an_embedding_programs_operations_are_counted() -> None:
    """An operation that the embedding program executes has the surface `python`."""
    async with Gateway(Settings(reseller=RESELLER)) as gateway:
        await gateway.execute("query Embedded { __typename }")
        labels = {"surface": "python", "operation": "other", "kind": "query", "code": "OK"}
        assert gateway.metrics.registry.get_sample_value(OPERATIONS, labels) == 1


async def test_series_that_alerts_use_exist_from_the_start(fresh: Fresh) -> None:
    """Failures that were never counted are 0, so that the first one is an increase."""
    world = await fresh()
    got = await scraped(world)
    for name in ("gateway_gate_total", "gateway_redis_total", "gateway_idempotency_total", "gateway_webhooks_total"):
        assert got.labels(name), name
        assert got.total(name) == 0
    assert got.total("gateway_build_info") == 1
    assert got.total("process_resident_memory_bytes") > 10_000_000


async def test_promtool_accepts_the_metrics(fresh: Fresh) -> None:
    """Prometheus' linter has no complaint, and OpenMetrics is served to a scraper that prefers it."""
    world = await fresh()
    await world.data(USER)
    got = await scraped(world)
    promtool = shutil.which("promtool")
    assert promtool is not None, "the Debian package prometheus has it"
    pipe = asyncio.subprocess.PIPE
    check = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe)
    assert (await check.communicate(got.text.encode()), check.returncode) == ((b"", b""), 0)
    assert "_created" not in got.text
    preferred = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    openmetrics = (await scrape(world.session, world.url, preferred)).text
    names = {family.name for family in parse_openmetrics(openmetrics)}
    assert {"http_server_request_duration_seconds", "gateway_redis", "process_cpu_seconds"} <= names


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.example/v1/users?x=1", ("api.example", 443)),
        ("http://127.0.0.1:8100/account", ("127.0.0.1", 8100)),
        ("http://[::1]:80/", ("::1", 80)),
        ("http://api.example", ("api.example", 80)),
    ],
)
def test_the_server_of_a_url(url: str, address: tuple[str, int]) -> None:
    """Host and port of a URL; without a port, that of its scheme."""
    assert server_address(url) == address


async def test_an_operation_on_a_reserved_stream_is_no_second_request(fresh: Fresh) -> None:
    """In the single connection mode each HTTP request counts once, and the operation as an operation alone."""
    world = await fresh()
    url = f"{world.url}/graphql"
    async with world.session.put(url, skip_auto_headers=["Content-Type"]) as response:
        token = {"X-GraphQL-Event-Stream-Token": await response.text()}
    async with world.session.get(url, headers={**token, "Accept": "text/event-stream"}) as stream:
        async with world.session.post(
            url, json={"query": USER, "extensions": {"operationId": "1"}}, headers=token
        ) as response:
            assert response.status == 202
        while b"event: complete" not in await stream.content.readline():
            pass
        got = await scraped(world)
    requests = [(each["http_request_method"], each["http_response_status_code"]) for each in got.labels(REQUESTS)]
    assert sorted(requests) == [("POST", "202"), ("PUT", "201")]
    assert {each["url_scheme"] for each in got.labels(REQUESTS)} == {"http"}
    assert got.total(OPERATIONS) == 1
