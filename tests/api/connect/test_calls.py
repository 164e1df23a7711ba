"""Unary calls: statuses, header fields, compression, GET, limits, and what operators see of them."""

import gzip
import json
import logging
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from connect_client import status_of_json, trailers_of
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.connect.errors import HTTP_STATUS
from gateway.api.connect.routes import METHODS, SERVICE
from gateway.api.grpc.errors import RpcCode
from gateway.principal import Principal
from usergateway.v1 import users_pb2

ADA = {"id": "acus_adalovelace1", "source": "USER_SOURCE_ACCOUNT"}
REQUEST = users_pb2.GetUserRequest(**ADA)  # type: ignore[arg-type]  # of a dictionary
JSON = {"Content-Type": "application/json"}


def test_methods_of_the_proto() -> None:
    """Each method of the .proto has a route; a GET is for those, and only those, that state to have no side effects."""
    service = users_pb2.DESCRIPTOR.services_by_name["UserService"]
    assert service.full_name == SERVICE
    assert {
        method.name: ("GET", "POST") if method.GetOptions().idempotency_level == 1 else ("POST",)
        for method in service.methods
    } == METHODS
    reads = [name for name, methods in METHODS.items() if "GET" in methods]
    assert all(name.startswith(("Get", "List", "Find")) for name in reads)
    assert len(reads) == 7


def test_http_statuses() -> None:
    """Each code has the status of HTTP that Connect's specification states."""
    assert {code.name: status for code, status in HTTP_STATUS.items()} == {
        "CANCELLED": 499,
        "UNKNOWN": 500,
        "INVALID_ARGUMENT": 400,
        "DEADLINE_EXCEEDED": 504,
        "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409,
        "PERMISSION_DENIED": 403,
        "RESOURCE_EXHAUSTED": 429,
        "FAILED_PRECONDITION": 400,
        "ABORTED": 409,
        "OUT_OF_RANGE": 400,
        "UNIMPLEMENTED": 501,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DATA_LOSS": 500,
        "UNAUTHENTICATED": 401,
    }
    assert set(HTTP_STATUS) == set(RpcCode) - {RpcCode.OK}


async def test_a_call_with_curl(world: Any) -> None:
    """A POST of JSON without any header field of Connect is responded to."""
    async with world.client.session.post(world.client.path("GetUser"), data=json.dumps(ADA), headers=JSON) as response:
        user = await response.json()
    assert (response.status, user["name"], user["status"]) == (200, "Ada Lovelace", "USER_STATUS_ACTIVE")
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["X-Request-ID"] == trailers_of(response)["x-request-id"]


async def test_failures(world: Any) -> None:
    """Errors have the name of their code, the status of HTTP, and the details in both forms."""
    missing = await world.client.call("GetUser", id="acus_nobody", source=1)
    assert (missing.http_status, missing.failure.code) == (404, RpcCode.NOT_FOUND)
    wrong = await world.client.call("CreateAccountUser", user={"email": "no"}, as_json=True)
    assert (wrong.http_status, wrong.failure.code) == (400, RpcCode.INVALID_ARGUMENT)
    assert [detail.TypeName() for detail in wrong.failure.details] == [
        *("google.rpc.ErrorInfo", "google.rpc.RequestInfo", "google.rpc.BadRequest"),
    ]
    world.sandbox.fail("account", "status", status=503, times=9)
    unavailable = await world.client.call("GetUser", REQUEST)
    assert (unavailable.http_status, unavailable.failure.code) == (503, RpcCode.UNAVAILABLE)
    assert "google.rpc.RetryInfo" in [detail.TypeName() for detail in unavailable.failure.details]


HEADER_FIELDS: list[tuple[Any, ...]] = [
    ({"Content-Type": "text/plain"}, 415, None),
    ({"Content-Type": "application/grpc+proto"}, 415, None),
    ({"Content-Type": "application/connect+json"}, 415, None),
    ({"Content-Type": "application/json; charset=utf-8"}, 200, None),
    ({"Connect-Protocol-Version": "1"}, 200, None),
    ({"Connect-Protocol-Version": "2"}, 400, "invalid_argument"),
    ({"Connect-Timeout-Ms": "60000"}, 200, None),
    ({"Connect-Timeout-Ms": "0"}, 504, "deadline_exceeded"),
    *[({"Connect-Timeout-Ms": value}, 400, "invalid_argument") for value in ("-1", "1.5", "soon", "12345678901")],
    *[({"Content-Encoding": value}, 501, "unimplemented") for value in ("snappy", "br", "deflate", "gzip, gzip")],
    ({"Content-Encoding": "identity"}, 200, None),
    ({"Content-Encoding": "gzip"}, 400, "invalid_argument"),  # the body is not
]


@pytest.mark.parametrize("http_server", ["aiohttp", "lean"])
async def test_header_fields(open_world: Any, http_server: str) -> None:
    """Media types, versions, deadlines and codings that are not supported are refused as Connect states it."""
    async with open_world(http_server=http_server) as world:
        path = world.client.path("GetUser")
        for sent, status, code in HEADER_FIELDS:
            async with world.client.session.post(path, data=json.dumps(ADA), headers=JSON | sent) as response:
                body = await response.read()
            assert response.status == status, (sent, body)
            if status == 415:
                assert response.headers["Accept-Post"] == "application/proto, application/json"
            elif code is not None:
                assert json.loads(body)["code"] == code, sent
                assert json.loads(body)["details"][0]["debug"]["domain"] == "usergateway"


async def test_methods_of_http(world: Any) -> None:
    """A GET of a change is 405 with `Allow`, so is a PUT of a read; a method that there is not is 404."""
    for verb, method, allowed in (("GET", "UpdateAccountUser", "POST"), ("PUT", "GetUser", "GET, POST")):
        async with world.client.session.request(verb, world.client.path(method)) as response:
            assert (response.status, response.headers["Allow"]) == (405, allowed)
    async with world.client.session.post(world.client.path("DropUser"), json={}) as response:
        assert response.status == 404


@pytest.mark.parametrize("as_json", [False, True])
async def test_compressed_messages(world: Any, *, as_json: bool) -> None:
    """A request compressed by gzip is read; a response of some size is compressed for a client that accepts it."""
    kind = "application/json" if as_json else "application/proto"
    body = (
        json.dumps({"pageSize": 20}).encode()
        if as_json
        else users_pb2.ListUsersRequest(page_size=20).SerializeToString()
    )
    headers = {"Content-Type": kind, "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    path = world.client.path("ListUsers")
    async with world.client.session.post(path, data=gzip.compress(body), headers=headers) as response:
        assert (response.status, response.headers["Content-Encoding"]) == (200, "gzip")
        large = await response.read()  # decompressed by aiohttp
    del headers["Accept-Encoding"], headers["Content-Encoding"]
    plain = headers | {"Accept-Encoding": "gzip;q=0"}
    async with world.client.session.post(path, data=body, headers=plain) as response:
        assert "Content-Encoding" not in response.headers
        assert len(await response.read()) == len(large) > 1024
    if not as_json:
        assert len(users_pb2.ListUsersResponse.FromString(large).users) > 5


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_client_that_states_no_accepted_codings(world: Any, coding: str) -> None:
    """It accepts the coding of its own request, as Connect states it, by POST, by GET and for a stream."""
    body = b'{"pageSize": 20}'
    body = gzip.compress(body) if coding == "gzip" else body
    path, session, skip = world.client.path("ListUsers"), world.client.session, ["Accept-Encoding"]
    headers = JSON | {"Content-Encoding": coding}
    async with session.post(path, data=body, headers=headers, skip_auto_headers=skip) as response:
        posted = response.status, response.headers.get("Content-Encoding", "identity")
    parameters = {"encoding": "json", "base64": "1", "compression": coding, "message": urlsafe_b64encode(body).decode()}
    async with session.get(path, params=parameters, skip_auto_headers=skip) as response:
        read = response.status, response.headers.get("Content-Encoding", "identity")
    stream = {"Content-Type": "application/connect+json", "Connect-Content-Encoding": coding}
    async with session.post(
        world.client.path("WatchUsers"), data=b"\x00\x00\x00\x00\x02{}", headers=stream, skip_auto_headers=skip
    ) as response:
        watched = response.status, response.headers.get("Connect-Content-Encoding", "identity")
    assert posted == read == watched == (200, coding)


async def test_messages_of_no_bytes(world: Any) -> None:
    """No bytes are not decompressed: in the binary form they are a message without fields."""
    headers = {"Content-Type": "application/proto", "Content-Encoding": "gzip"}
    async with world.client.session.post(world.client.path("ListUsers"), data=b"", headers=headers) as response:
        assert response.status == 200, await response.read()
    parameters = {"encoding": "proto", "base64": "1", "compression": "gzip", "message": ""}
    async with world.client.session.get(world.client.path("ListUsers"), params=parameters) as response:
        assert response.status == 200, await response.read()


async def test_a_bomb(world: Any) -> None:
    """A small compressed body of a large request is refused before all of it is decompressed."""
    body = gzip.compress(b" " * 50_000_000)
    headers = JSON | {"Content-Encoding": "gzip"}
    async with world.client.session.post(world.client.path("GetUser"), data=body, headers=headers) as response:
        assert (response.status, (await response.json())["message"]) == (
            429,
            "The request may have 131072 bytes at most.",
        )
    parameters = {
        "encoding": "json",
        "compression": "gzip",
        "base64": "1",
        "message": urlsafe_b64encode(gzip.compress(b" " * 999_999)).decode(),
    }
    async with world.client.session.get(world.client.path("GetUser"), params=parameters) as response:
        assert (response.status, (await response.json())["message"]) == (
            429,
            "The request may have 131072 bytes at most.",
        )


async def test_sizes(world: Any) -> None:
    """A request may be as large as by gRPC; as JSON, twice as large. A larger one is `resource_exhausted`."""
    longest = 64 * 1024
    for as_json, size, status in (
        *((False, longest, 404), (False, longest + 1, 429)),
        *((True, longest, 404), (True, 2 * longest, 404), (True, 2 * longest + 1, 429)),
    ):
        request = users_pb2.GetUserRequest(id="acus_nobody", source=1)  # type: ignore[arg-type]  # the stubs want an enum
        body = json_format.MessageToJson(request).encode() if as_json else request.SerializeToString()
        while len(body) < size:  # by what is not a part of the message: blanks, and unknown fields of 2 and 3 bytes
            body += b" " if as_json else b"\x80\x01\x01" if size - len(body) == 3 else b"\x78\x01"
        media_type = "application/json" if as_json else "application/proto"
        async with world.client.session.post(
            world.client.path("GetUser"), data=body, headers={"Content-Type": media_type}
        ) as response:
            assert response.status == status, (as_json, size, await response.read())
    huge = json.dumps({"id": "x" * (longest + 1)}).encode()
    async with world.client.session.post(world.client.path("GetUser"), data=huge, headers=JSON) as response:
        assert (response.status, (await response.json())["message"]) == (
            429,
            "The request may have 65536 bytes at most.",
        )


READS: list[tuple[Any, ...]] = [
    ({"encoding": "json", "message": json.dumps(ADA), "connect": "v1"}, 200),
    ({"encoding": "json", "message": json.dumps(ADA)}, 200),
    ({"encoding": "proto", "base64": "1", "message": urlsafe_b64encode(REQUEST.SerializeToString()).decode()}, 200),
    (
        {
            "encoding": "proto",
            "base64": "1",
            "message": urlsafe_b64encode(REQUEST.SerializeToString()).decode().rstrip("="),
        },
        200,
    ),
    (
        {"encoding": "proto", "message": REQUEST.SerializeToString().decode("latin-1"), "compression": "identity"},
        200,
    ),
    (
        {
            "encoding": "json",
            "base64": "1",
            "compression": "gzip",
            "message": urlsafe_b64encode(gzip.compress(json.dumps(ADA).encode())).decode(),
        },
        200,
    ),
    ({"encoding": "json", "message": json.dumps(ADA), "connect": "v2"}, 400),
    ({"encoding": "json"}, 400),
    ({"encoding": "json", "base64": "1", "message": "!"}, 400),
    ({"encoding": "json", "message": "{}", "compression": "br"}, 501),
    ({"encoding": "xml", "message": "{}"}, 415),
    ({"message": "{}"}, 415),
]


async def test_reads_by_get(world: Any) -> None:
    """A read by GET has its message in the URL; it is responded to, or refused, as a POST is."""
    for parameters, status in READS:
        async with world.client.session.get(world.client.path("GetUser"), params=parameters) as response:
            body = await response.read()
        assert response.status == status, (parameters, body)
        if status == 200:
            is_json = parameters["encoding"] == "json"
            name = json.loads(body)["name"] if is_json else users_pb2.User.FromString(body).name
            assert name == "Ada Lovelace"


PAGES: list[tuple[Any, ...]] = [
    ({}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403),  # an image of another site
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403),
]


async def test_a_get_of_a_page(open_world: Any) -> None:
    """A page of another site cannot make a browser call a method by GET, unless its origin is allowed."""
    async with open_world(cors_origins=("https://app.example",)) as world:
        parameters = {"encoding": "json", "message": json.dumps(ADA)}
        for sent, status in PAGES:
            async with world.client.session.get(
                world.client.path("GetUser"), params=parameters, headers=sent
            ) as response:
                assert response.status == status, sent
            assert len(world.sandbox.calls) == (status == 200), sent
            world.sandbox.calls.clear()


async def test_pages_of_allowed_origins(open_world: Any) -> None:
    """A page of an allowed origin may send all header fields of Connect, and read all that responses have."""
    async with open_world(cors_origins=("https://app.example",)) as world:
        session, path, origin = world.client.session, world.client.path("GetUser"), {"Origin": "https://app.example"}
        preflight = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "connect-protocol-version,content-type",
        }
        async with session.options(path, headers=origin | preflight) as response:
            assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert response.headers["Access-Control-Allow-Headers"] == "connect-protocol-version,content-type"
        async with session.post(path, json=ADA, headers=origin) as response:
            exposed = ", ".join(response.headers.getall("Access-Control-Expose-Headers")).lower().split(", ")
        trailers = [name.lower() for name in response.headers if name.lower().startswith("trailer-")]
        assert trailers
        assert set(trailers) <= set(exposed)
        assert {"trailer-usergateway-partial-errors-bin", "usergateway-resume-token", "x-request-id"} <= set(exposed)


async def test_partial_errors_and_freshness(world: Any) -> None:
    """What gRPC sends as trailers, Connect sends as header fields, binary ones as base64."""
    role = await world.client.call("GetRole", id="rl_viewer000000", sent={"Cache-Control": "no-cache"}, as_json=True)
    assert role.headers["Cache-Status"] == role.trailers["cache-status"]
    world.sandbox.fail("account", "status", status=500, path="/v1/identity/roles/", times=9)
    result = await world.client.call("GetUser", **ADA, read_mask=FieldMask(paths=["name", "role.owner.type"]))
    partial = users_pb2.PartialErrors.FromString(result.trailers["usergateway-partial-errors-bin"])
    assert [list(error.paths) for error in partial.errors] == [["role.owner"]]


async def test_a_repeated_change(world: Any) -> None:
    """A change with the same request_id is executed once; the response states that it is the stored result."""
    given = {"user": {"email": "once@example.com"}, "request_id": "once"}
    first = await world.client.call("CreateAccountUser", **given, as_json=True)
    second = await world.client.call("CreateAccountUser", **given)
    assert first.message == second.message
    assert "idempotency-replayed" not in first.trailers
    assert second.trailers["idempotency-replayed"] == "true"


async def test_authentication(open_world: Any) -> None:
    """Callers are authenticated before their message is read; without a credential the status is 401."""

    async def authenticate(connection: Any) -> Principal | None:
        assert connection.surface == "http"
        key = connection.headers.get("x-api-key")
        return None if key is None else Principal(key, frozenset({"users:read"} if key == "reader" else ()))

    async with open_world(authenticate) as world:
        path, session = world.client.path("GetUser"), world.client.session
        async with session.post(path, data=b"no message", headers=JSON) as response:
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert status_of_json(await response.json()).code == RpcCode.UNAUTHENTICATED
        allowed = await world.client.call("GetUser", REQUEST, sent={"X-API-Key": "reader"})
        assert allowed.message.name == "Ada Lovelace"
        refused = await world.client.call("GetUser", REQUEST, sent={"X-API-Key": "nobody"})
        assert (refused.http_status, refused.failure.code) == (403, RpcCode.PERMISSION_DENIED)
        world.gateway._telemetry.flush()
        assert [report.caller for report in world.reports] == ["", "reader", "nobody"]


async def test_what_operators_see(world: Any) -> None:
    """A call has a line in the access log with its method and its code, and is counted as request and as RPC."""
    await world.client.call("GetUser", REQUEST, sent={"X-Request-ID": "mine-1"})
    await world.client.call("GetUser", id="acus_nobody", source=1)
    await world.client.session.post(world.client.path("GetUser"), data=b"x", headers={"Content-Type": "text/plain"})
    async with world.client.session.get(f"{world.client.url}/metrics") as response:
        metrics = await response.text()
    seen = [
        (report.surface, report.operation, report.kind, report.status, report.http_status, report.codes)
        for report in world.reports
        if report.route != "/metrics"
    ]
    assert seen == [
        ("connect", "GetUser", "unary", "OK", 200, ()),
        ("connect", "GetUser", "unary", "NOT_FOUND", 404, ("NOT_FOUND",)),
        ("connect", "GetUser", "", 415, 0, ()),
    ]
    assert (world.reports[0].request_id, world.reports[0].summary.requests) == ("mine-1", {"account": 1})
    counted = [line for line in metrics.splitlines() if line.startswith("rpc_server_call_duration_seconds_count")]
    assert sorted(counted) == [
        "rpc_server_call_duration_seconds_count{" + labels + "} 1.0"
        for labels in (
            'error_type="",rpc_method="usergateway.v1.UserService/GetUser",rpc_response_status_code="NOT_FOUND",rpc_system_name="connectrpc"',
            'error_type="",rpc_method="usergateway.v1.UserService/GetUser",rpc_response_status_code="OK",rpc_system_name="connectrpc"',
        )
    ]
    route = 'http_route="/usergateway.v1.UserService/GetUser"'
    statuses = [
        line
        for line in metrics.splitlines()
        if line.startswith("http_server_request_duration_seconds_count") and route in line
    ]
    assert sorted(line.partition('status_code="')[2][:3] for line in statuses) == ["200", "404", "415"]


async def test_limits(open_world: Any) -> None:
    """Calls cost what they cost by gRPC, and open calls of one caller are limited."""

    async def authenticate(_connection: Any) -> Principal:
        return Principal("reader", frozenset({"users:read"}))

    async with open_world(authenticate, rate_limit={"cost": 25}) as world:
        first = await world.client.call("GetUser", REQUEST)
        assert first.headers["RateLimit"].startswith('"default";r=14')
        assert first.trailers["ratelimit"] == first.headers["RateLimit"]
        await world.client.call("GetUser", REQUEST)
        third = await world.client.call("GetUser", REQUEST)
        assert (third.http_status, third.failure.code) == (429, RpcCode.RESOURCE_EXHAUSTED)
        assert int(third.headers["Retry-After"]) >= 1


async def test_a_defect_is_masked(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is a 500 without its text, which is in the log with the request id."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    world.gateway._parts.users.read = broken
    with caplog.at_level(logging.ERROR, "gateway.grpc"):
        result = await world.client.call("GetUser", REQUEST, sent={"X-Request-ID": "find-me-8"})
    assert (result.http_status, result.failure.code) == (500, RpcCode.INTERNAL)
    assert "secret" not in str(result.failure)
    assert "find-me-8" in caplog.records[0].getMessage()
