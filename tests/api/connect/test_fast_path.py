"""The fast path responds as the ordinary one does, and leaves to it what is not plain."""

import json
import re
from typing import Any

import pytest
from still_clock import running_clock

from gateway.principal import Principal
from usergateway.v1 import users_pb2

ADA = users_pb2.GetUserRequest(id="acus_adalovelace1", source=1)  # type: ignore[arg-type]  # the stubs want an enum
PROTO, JSON = {"Content-Type": "application/proto"}, {"Content-Type": "application/json"}
VARYING = re.compile(rb'"(updatedAt|lastActiveAt|imageUrl|nextPageToken)":"[^"]*"')
REQUESTS: list[tuple[str, dict[str, str], bytes, bool]] = [  # the last: whether the fast path handles it
    ("GetUser", PROTO, ADA.SerializeToString(), True),
    (
        "GetUser",
        JSON,
        b'{"id": "acus_adalovelace1", "source": "USER_SOURCE_ACCOUNT", "readMask": "name,role.owner"}',
        True,
    ),
    ("GetUser", JSON, b'{"id": "acus_nobody", "source": 1}', True),
    ("GetUser", JSON, b'{"id": "raw"}', True),
    ("GetUser", JSON | {"X-API-Key": "nobody"}, b'{"id": "acus_adalovelace1", "source": 1}', True),
    ("GetUser", JSON | {"Connect-Timeout-Ms": "0"}, b'{"id": "acus_adalovelace1", "source": 1}', True),
    ("GetUser", JSON | {"Origin": "https://app.example"}, b'{"id": "acus_adalovelace1", "source": 1}', True),
    ("ListUsers", JSON, b'{"pageSize": 9, "view": "VIEW_FULL"}', True),
    ("CreateAccountUser", JSON, b'{"user": {"username": "a b"}}', True),
    ("UpdateAccountUser", JSON, b'{"id": "acus_adalovelace1", "user": {"name": "Ada"}, "requestId": "1"}', True),
    ("GetUser", JSON, b'{"id": 1}', False),
    ("GetUser", PROTO, b"\xff", False),
    ("GetUser", JSON | {"X-API-Key": "unknown"}, b"{}", False),
    ("GetUser", JSON | {"Connect-Protocol-Version": "2"}, b"{}", False),
    ("GetUser", JSON | {"Connect-Timeout-Ms": "soon"}, b"{}", False),
    ("GetUser", {"Content-Type": "text/plain"}, b"{}", False),
    ("GetUser", JSON, b"{" + b" " * 140_000 + b"}", False),
]


@pytest.mark.parametrize("server", ["lean", "aiohttp"])
async def test_both_ways_respond_equally(open_world: Any, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Requests have the same responses, calls to sources, and reports with the fast path and without it."""
    from gateway.api.connect.endpoint import ConnectEndpoint

    handled: list[bool] = []
    try_handle = ConnectEndpoint.try_handle

    def observed(*arguments: Any) -> Any:
        handling = try_handle(*arguments)
        handled.append(handling is not None)
        return handling

    monkeypatch.setattr(ConnectEndpoint, "try_handle", observed)
    seen, clock = {}, running_clock()  # one for both: the URL of a picture decides on the size of a compressed response
    for fast_path in ("on", "off"):
        async with open_world(
            clock=clock,
            fast_path=fast_path,
            http_server=server,
            cors_origins=("https://app.example",),
            reference_ttl=0,
            rate_limit={"cost": 1_000},
        ) as world:
            use_callers(world)
            await respond(
                world, "GetRole", JSON, b'{"id": "rl_viewer000000"}'
            )  # from the first request on, there is one
            handled.clear()
            responses = [await respond(world, method, sent, body) for method, sent, body, _ in REQUESTS]
            if server == "lean":  # that of aiohttp may not have the body yet
                # A large body comes in pieces, for which no fast path is tried.
                expected = [is_fast for *_, body, is_fast in REQUESTS if len(body) < 16_384]
                assert handled == (expected if fast_path == "on" else [])
            world.gateway._telemetry.flush()
            reports = [facts_of(report) for report in world.reports]
            calls = [(call.source, call.method, call.path) for call in world.sandbox.calls]
            seen[fast_path] = (responses, reports, calls)
    for by_fast_path, by_slow_path in zip(seen["on"], seen["off"], strict=True):
        for index, (fast, slow) in enumerate(zip(by_fast_path, by_slow_path, strict=True)):
            assert fast == slow, index


def facts_of(report: Any) -> tuple[Any, ...]:
    """Return what operators see of a request, without its times."""
    size = report.bytes if report.operation == "GetUser" else 0  # tokens and times of others differ in length
    facts = report.surface, report.operation, report.kind, report.status, report.http_status, report.codes
    return (*facts, report.caller, size, report.summary.requests)


def use_callers(world: Any) -> None:
    """Authenticate by a header, without a wait."""

    def identify(connection: Any) -> Principal:
        from gateway.errors import Unauthenticated

        name = connection.headers.get("x-api-key", "reader")
        if name == "unknown":
            raise Unauthenticated("Who?")
        return Principal(name, frozenset({"users:read", "users:write"} if name == "reader" else ()))

    async def authenticate(connection: Any) -> Principal:
        return identify(connection)

    credentials = world.gateway._parts.credentials
    credentials.authenticate, credentials.try_authenticate = authenticate, identify


async def respond(world: Any, method: str, sent: dict[str, str], body: bytes) -> Any:
    """Return the status, the header fields and the body, without what differs between two equal requests."""
    path = world.client.path(method)
    async with world.client.session.post(path, data=body, headers={"X-Request-ID": "same"} | sent) as response:
        content = await response.read()
    fields = sorted((name.lower(), value) for name, value in response.headers.items())
    times = {"date", "server-timing", "trailer-server-timing", "ratelimit", "trailer-ratelimit", "content-length"}
    if response.content_type == "application/json":
        content = json.loads(
            re.sub(rb'"(updatedAt|lastActiveAt|imageUrl|nextPageToken)":"[^"]*"', rb'"\1":""', content)
        )
    else:
        content = re.sub(rb"/images/[\w-]+", b"", content)
    return response.status, [field for field in fields if field[0] not in times], content
