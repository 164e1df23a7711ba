"""The header fields that every response has."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

QUERY = {"query": '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'}
DEFER = {"query": '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name ... @defer { role { permissions } } } }'}
WATCH = {"query": "subscription { userChanged { id } }"}
CHANGE = {"query": 'mutation { updateAccountUser(id: "x", input: {}) { id } }'}
TRUSTED = {"X-API-Key": "abc"}

GRAPHQL: dict[str, tuple[int, str, dict[str, Any]]] = {
    "query": (200, "POST", {"json": QUERY}),
    "query by GET": (200, "GET", {"params": QUERY, "headers": TRUSTED}),
    "parts": (200, "POST", {"json": DEFER, "headers": {"Accept": "multipart/mixed"}}),
    "event stream": (200, "POST", {"json": WATCH, "headers": {"Accept": "text/event-stream"}}),
    "reserved stream": (201, "PUT", {"skip_auto_headers": ["Content-Type"]}),
    "no query": (400, "POST", {"json": {}, "headers": {"Accept": "application/graphql-response+json"}}),
    "no JSON": (400, "POST", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    "no preflight": (400, "GET", {"params": QUERY}),
    "change by GET": (405, "GET", {"params": CHANGE, "headers": TRUSTED}),
    "no JSON type": (415, "POST", {"data": b"x", "headers": {"Content-Type": "text/plain"}}),
    "no media type": (406, "POST", {"json": QUERY, "headers": {"Accept": "image/png"}}),
    "unknown token": (404, "DELETE", {"params": {"token": "x"}}),
}
OTHERS: dict[str, tuple[int, str, str]] = {
    "health": (200, "GET", "/healthz"),
    "readiness": (200, "GET", "/readyz"),
    "metrics": (200, "GET", "/metrics"),
    "webhook": (401, "POST", "/webhooks/reseller"),
    "no route": (404, "GET", "/nothing"),
    "no method": (405, "PUT", "/healthz"),
    "no GraphQL method": (405, "PATCH", "/graphql"),
    "head": (200, "HEAD", "/healthz"),
    "redirect": (302, "GET", "/"),
}


async def test_nothing_is_stored(world: Any) -> None:
    """No cache may store a GraphQL response or error, nor serve it to another caller."""
    for name, (status, method, sent) in GRAPHQL.items():
        async with world.session.request(method, f"{world.url}/graphql", **sent) as answer:
            assert (name, answer.status) == (name, status)
            assert answer.headers.getall("Cache-Control") == ["private, no-store"], name
            [vary] = answer.headers.getall("Vary")
            assert set(vary.split(", ")) == {"Accept", "Authorization", "X-API-Key", "Origin"}, name


async def test_a_defect_is_not_stored(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The masked response to an unexpected exception is not stored either."""
    world = await fresh()

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.api.graphql.execution.executor.Executor.execute", fail)
    async with world.session.post(f"{world.url}/graphql", json=QUERY) as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (500, "no-store")


async def test_the_request_id(world: Any) -> None:
    """Every response has the request id that the client sent, else a new one, and none may be stored."""
    for name, (status, method, path) in OTHERS.items():
        for sent in ({"X-Request-ID": "abc-1"}, {}):
            options = {"headers": sent, "allow_redirects": False}
            async with world.session.request(method, f"{world.url}{path}", **options) as answer:
                assert (name, answer.status) == (name, status)
                [received] = answer.headers.getall("X-Request-ID")
                assert received == sent.get("X-Request-ID", received) != ""
                assert answer.headers.getall("Cache-Control") == ["no-store"], name


async def test_the_software_is_not_named(world: Any) -> None:
    """No response names the software or its version, not even one to bytes that are no request."""
    address = urlsplit(world.url)
    body = json.dumps(QUERY).encode()
    post = b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    upgrade = b"GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    for request in (
        post + b"\r\n" + body,
        post + b"Expect: something\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        upgrade + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        upgrade + b"Sec-WebSocket-Version: 1\r\n\r\n",
        upgrade + b"Origin: https://evil.example\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request)
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.")
        fields = [line.lower() for line in head.decode().split("\r\n")[1:]]
        assert [
            line
            for line in fields
            if line.startswith(("server:", "via:", "x-powered-by:")) and line != "server: gateway"
        ] == []
        assert not any(name in head.lower() for name in (b"aiohttp", b"python"))
