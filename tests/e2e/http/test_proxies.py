"""Behind nginx and haproxy, whose connections to the gateway are shared by all clients."""

import asyncio
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout
from e2e.http import proxies
from e2e.http.ambiguous import AMBIGUOUS
from e2e.http.exchange import exchange, statuses

QUERY = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
ADA = {"data": {"user": {"name": "Ada Lovelace"}}}
_AT_ONCE = 10
_GUARD = 30  # seconds: what takes longer hangs


@pytest.fixture(scope="module", params=list(proxies.PROXIES))
def proxy_url(request: pytest.FixtureRequest, gateway_url: str, tmp_path_factory: Any) -> Iterator[str]:
    """The URL of each of the proxies."""
    if proxies.find(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with proxies.running(request.param, gateway_url, tmp_path_factory.mktemp(request.param)) as url:
        yield url


async def _ask(session: ClientSession, url: str, **more: Any) -> Any:
    async with session.post(f"{url}/graphql", json={"query": QUERY} | more) as response:
        return await response.json()


async def test_kept_connections(proxy_url: str) -> None:
    """Many requests over few connections get their responses, one after the other and at the same time."""
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        for _ in range(5):
            assert await _ask(session, proxy_url) == ADA
        names = [f"n{number}" for number in range(30)]
        found = await asyncio.gather(*(_ask(session, proxy_url, query=f"{{ {name}: __typename }}") for name in names))
        assert found == [{"data": {name: "Query"}} for name in names]


async def test_smuggling(proxy_url: str) -> None:
    """Whatever a client sends, all others on the same connections get the responses to their requests."""
    attacks = list(AMBIGUOUS.values())
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        for start in range(0, len(attacks), _AT_ONCE):
            # Its client may get several responses: the proxy may take it for several requests, and so may the gateway.
            sending = [exchange(proxy_url, sent, first=0.05, quiet=0.05) for sent in attacks[start : start + _AT_ONCE]]
            victims = [_ask(session, proxy_url) for _ in range(_AT_ONCE)]
            _, *during = await asyncio.gather(asyncio.gather(*sending), *victims)
            after = [await _ask(session, proxy_url) for _ in range(4)]  # more than there are connections to the gateway
            assert all(found == ADA for found in (*during, *after)), list(AMBIGUOUS)[start : start + _AT_ONCE]


async def test_trailers(proxy_url: str) -> None:
    """The trailer of a client is no header field of the next one."""
    body = json.dumps({"query": QUERY}).encode()
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nAccept: image/png\r\n\r\n" % (len(body), body)
    following = b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        for _ in range(3):
            received = await exchange(proxy_url, head + chunks, head + following)
            assert statuses(received) == [200, 200]
            assert [await _ask(session, proxy_url) for _ in range(2)] == [ADA, ADA]


async def test_large_bodies(proxy_url: str) -> None:
    """A large request arrives, and one that is too large is refused, without harm to the next one."""
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        assert await _ask(session, proxy_url, query=QUERY + " " * 40_000) == ADA
        padded = json.dumps({"query": QUERY}).encode() + b" " * 3_000_000
        headers = {"Content-Type": "application/json"}
        async with session.post(f"{proxy_url}/graphql", data=BytesIO(padded), headers=headers) as response:
            assert response.status in {413, 502}
    # By a new connection to the proxy: nginx may close one whose request it has not read to its end.
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        assert [await _ask(session, proxy_url) for _ in range(4)] == [ADA] * 4  # more than it has to the gateway


async def test_a_websocket(proxy_url: str) -> None:
    """An operation over a WebSocket passes the proxy."""
    async with (
        ClientSession(timeout=ClientTimeout(_GUARD)) as session,
        session.ws_connect(f"{proxy_url}/graphql", protocols=("graphql-transport-ws",)) as socket,
    ):
        await socket.send_json({"type": "connection_init"})
        assert await socket.receive_json(timeout=_GUARD) == {"type": "connection_ack"}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": QUERY}})
        assert (await socket.receive_json(timeout=_GUARD))["payload"] == ADA


async def test_an_event_stream(proxy_url: str) -> None:
    """Server-sent events pass the proxy as they are sent."""
    headers = {"Accept": "text/event-stream"}
    async with (
        ClientSession(timeout=ClientTimeout(_GUARD)) as session,
        session.post(f"{proxy_url}/graphql", json={"query": QUERY}, headers=headers) as response,
    ):
        text = await response.text()
        assert response.status == 200
    assert "event: next" in text
    assert "Ada Lovelace" in text


async def test_a_stream_of_connect(proxy_url: str) -> None:
    """The head of a stream and each of its events pass the proxy as they are sent."""
    url = f"{proxy_url}/usergateway.v1.UserService"
    headers = {"Content-Type": "application/connect+json"}
    async with (
        ClientSession(timeout=ClientTimeout(_GUARD)) as session,
        session.post(f"{url}/WatchUsers", data=b"\0\0\0\0\2{}", headers=headers) as stream,
    ):
        change = {"id": "acus_adalovelace1", "user": {"name": "Ada Lovelace"}, "readMask": "name"}
        async with session.post(f"{url}/UpdateAccountUser", json=change) as response:
            assert await response.json() == {"name": "Ada Lovelace"}
        flags, *length = await stream.content.readexactly(5)
        event = json.loads(await stream.content.readexactly(int.from_bytes(length)))
    assert (flags, event["user"]["name"]) == (0, "Ada Lovelace")


async def test_clients_that_disconnect(proxy_url: str) -> None:
    """Clients that leave in the middle of a request or of a response do no harm to others."""
    body = json.dumps({"query": QUERY}).encode()
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    sent = head % len(body) + body
    async with ClientSession(timeout=ClientTimeout(_GUARD)) as session:
        for at in range(0, len(sent), 20):
            await exchange(proxy_url, sent[:at], first=0.001, quiet=0.001)
        assert [await _ask(session, proxy_url) for _ in range(3)] == [ADA, ADA, ADA]
