"""How WebSockets are closed: the close codes of graphql-transport-ws, one after the other."""

import asyncio
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from api.graphql.live.conftest import PROTOCOL

from gateway.errors import Unauthenticated
from gateway.principal import ANYONE, Principal

INIT = '{"type":"connection_init"}'
SUBSCRIBE = '{"type":"subscribe","id":"1","payload":{"query":"subscription { userChanged { id } }"}}'


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([INIT, INIT], 4429, "Too many initialisation requests"),
        ([SUBSCRIBE], 4401, "Unauthorized"),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409, "Subscriber for 1 already exists"),
        ([b"\x00"], 4400, "A message must be text."),
        ([INIT, b"\x00"], 4400, "A message must be text."),
        (["nonsense"], 4400, "The message is not JSON"),
        (['{"type":"ping","type":"pong"}'], 4400, "a name twice"),
        (["[]"], 4400, "A message must be a JSON object."),
        (["{}"], 4400, "A message must have a `type`"),
        (['{"type":"start","id":"1"}'], 4400, "A message must have a `type`"),
        (['{"type":"next","id":"1","payload":{}}'], 4400, "A message must have a `type`"),
        (['{"type":["ping"]}'], 4400, "A message must have a `type`"),
        (['{"type":"connection_init","payload":1}'], 4400, "The payload of connection_init must be an object."),
        (['{"type":"ping","payload":"x"}'], 4400, "The payload of ping must be an object."),
        ([INIT, '{"type":"complete"}'], 4400, "The `id` of complete must be"),
        ([INIT, '{"type":"subscribe","id":1,"payload":{"query":"{ x }"}}'], 4400, "The `id` of subscribe must be"),
        ([INIT, '{"type":"subscribe","id":"","payload":{"query":"{ x }"}}'], 4400, "The `id` of subscribe must be"),
        ([INIT, '{"type":"subscribe","id":"1"}'], 4400, "must be a JSON object with a `query`"),
        ([INIT, '{"type":"subscribe","id":"1","payload":{}}'], 4400, "The request has no `query`."),
        ([INIT, '{"type":"subscribe","id":"1","payload":{"query":"{x}","variables":[]}}'], 4400, "`variables`"),
        ([f'{{"type":"ping","payload":{{"x":"{"é" * 1000}"}}}}'], 4400, "not have more than 1500 bytes"),
        (["x" * 3_000_000], 1009, ""),
        (['{"type":"ping"}'] * 8, 1008, "Too many messages before connection_init"),
    ],
)
async def test_messages_that_break_the_protocol(
    start_server: Any, messages: list[str | bytes], code: int, reason: str
) -> None:
    """A message that breaks the protocol closes the WebSocket with the protocol's code, and a reason that helps."""
    server = await start_server(message=1500)
    async with server.connect() as socket:
        for message in messages:
            await (socket.socket.send_bytes(message) if isinstance(message, bytes) else socket.socket.send_str(message))
        closed_with, received = await socket.closed()
    assert closed_with == code
    assert reason in received


async def test_no_initialisation(start_server: Any) -> None:
    """Without connection_init in time the WebSocket is closed with 4408."""
    server = await start_server(init=0.05)
    async with server.connect() as socket:
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_an_authentication_that_takes_too_long(start_server: Any) -> None:
    """Authentication counts towards the time for connection_init: if it takes too long, 4408."""
    started = asyncio.Event()

    async def forever(connection: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    server = await start_server(forever, init=10.0)
    async with server.connect() as socket:
        await socket.send("connection_init")
        await started.wait()
        server.time.move(10)
        assert (await socket.closed())[0] == 4408


async def test_a_caller_who_is_refused(start_server: Any) -> None:
    """If authentication fails the WebSocket is closed with 4403, and the error message is the reason."""

    async def nobody(connection: Any) -> Any:
        raise Unauthenticated("Send a credential.")

    server = await start_server(nobody)
    async with server.connect() as socket:
        await socket.send("connection_init")
        assert await socket.closed() == (4403, "Forbidden: Send a credential.")


@pytest.mark.parametrize("protocols", [("graphql-ws",), ("graphql-ws", "soap"), ()])
async def test_another_subprotocol(server: Any, protocols: tuple[str, ...]) -> None:
    """A client that does not offer graphql-transport-ws is closed with 4406."""
    async with server.session.ws_connect(server.url, protocols=protocols) as socket:
        await socket.receive()
        assert socket.close_code == 4406


async def test_a_silent_client(start_server: Any) -> None:
    """A client that sends no pong is closed; one that does is not, and gets a pong for each of its pings."""
    server = await start_server(ping=15.0, pong=10.0)
    async with server.socket() as responding, server.socket() as silent:
        for number in range(3):
            server.time.move(15)
            assert await responding.socket.receive_json(timeout=20) == {"type": "ping"}
            await responding.send("pong")
            await responding.send("ping", payload={"n": number})
            assert await responding.receive() == {"type": "pong", "payload": {"n": number}}
            server.time.move(10)
            if number == 0:
                assert await silent.closed() == (4499, "No pong received")


async def test_messages_that_come_while_the_process_is_stopped(start_server: Any) -> None:
    """A message that came in time is in time, though the process was stopped until the time for it was over."""

    async def in_some_steps(_connection: Any) -> Principal:
        for _ in range(10):
            await asyncio.sleep(0)
        return ANYONE

    server = await start_server(in_some_steps, init=10.0, ping=15.0, pong=10.0)
    async with server.connect() as socket:
        await socket.send("connection_init")
        server.time.move(100)
        assert await socket.receive() == {"type": "connection_ack"}
        server.time.move(15)
        assert await socket.socket.receive_json(timeout=20) == {"type": "ping"}
        await socket.send("pong")
        server.time.move(100)
        await socket.subscribe("1", "{ __typename }")
        assert await socket.next_data() == {"__typename": "Query"}


async def test_too_many_connections(start_server: Any) -> None:
    """A connection above the limit is closed with 1013; once another one has closed, a new one is accepted."""
    server = await start_server(connections=1)
    async with server.socket(), server.connect() as socket:
        assert (await socket.closed())[0] == 1013
    await server.wait_until(lambda: server.live.traffic.connections == 0)
    async with server.socket():
        assert server.live.traffic.connections == 1


async def test_a_large_message_before_connection_init(server: Any) -> None:
    """Before connection_init a message has at most 16 KiB, afterwards as much as a request."""
    large = {"x": "x" * 17_000}
    async with server.connect() as socket:
        await socket.send("ping", payload=large)
        assert await socket.closed() == (
            4400,
            "Invalid message received: A message must not have more than 16384 bytes.",
        )
    async with server.socket() as socket:
        await socket.send("ping", payload=large)
        assert await socket.receive() == {"type": "pong", "payload": large}


async def test_many_bytes_before_connection_init(server: Any) -> None:
    """A message of which only a part comes is not collected before connection_init."""
    async with server.connect() as socket:
        writer = socket.socket._writer
        writer.transport.write(b"\x81\xff" + (1_000_000).to_bytes(8) + b"\0\0\0\0" + b"x" * 65_536)
        assert (await socket.closed())[0] == 1009


async def test_control_frames(server: Any) -> None:
    """Pings of the WebSocket protocol get pongs; more than 20 in a second close it with 1008."""
    async with server.session.ws_connect(server.url, protocols=[PROTOCOL], autoping=False) as socket:
        await socket.ping(b"x")
        message = await socket.receive(timeout=20)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"x")
        for _ in range(60):
            await socket.ping(b"")
        while (await socket.receive(timeout=20)).type is WSMsgType.PONG:
            pass
        assert socket.close_code == 1008


async def test_room_before_connection_init(start_server: Any) -> None:
    """Of too many WebSockets without connection_init the oldest is closed; those of known clients are not counted."""
    server = await start_server(uninitialised=2, connections=3)
    async with server.socket(), server.connect() as one, server.connect() as two, server.connect() as three:
        assert (await one.closed())[0] == 1013
        async with server.socket():
            assert (await two.closed())[0] == 1013
        await three.send("connection_init")
        assert await three.receive() == {"type": "connection_ack"}
    assert server.live_events.count(("refused", "uninitialised")) == 2


async def test_the_share_of_a_caller(start_server: Any) -> None:
    """A caller gets a part of the connections only, and all of them where callers are not distinguished."""

    async def named(connection: Any) -> Principal:
        return Principal(connection.headers["x-api-key"], frozenset())

    server = await start_server(named, connections=4, share=0.5)
    async with server.socket({"X-API-Key": "a"}), server.socket({"X-API-Key": "a"}), server.connect() as third:
        await third.send("connection_init", payload={"X-API-Key": "a"})
        assert await third.closed() == (1013, "Too many open connections of this caller. Retry after 1 s.")
        async with server.socket({"X-API-Key": "b"}), server.socket({"X-API-Key": "b"}):
            assert server.live.traffic.connections == 4
    async with server.socket({"X-API-Key": "a"}):
        pass
    server = await start_server(connections=2, share=0.5)
    async with server.socket(), server.socket():
        assert server.live.traffic.connections == 2


async def test_a_client_that_leaves_during_a_subscription(server: Any) -> None:
    """A WebSocket that its client closes during a subscription is not counted, so draining does not wait for it."""
    async with server.socket() as socket:
        await socket.subscribe()
        await server.wait_for_subscribers()
    await server.wait_until(lambda: server.live.traffic.connections == 0)


async def test_draining(start_server: Any) -> None:
    """A gateway that stops closes all WebSockets with 1001, not all at once, and accepts no new ones."""
    server = await start_server(drain=0.3)
    async with server.socket() as one, server.socket() as two, server.connect() as silent:
        await one.subscribe()
        await server.wait_for_subscribers()
        draining = asyncio.ensure_future(server.live.drain())
        assert [await socket.closed() for socket in (one, two, silent)] == [(1001, "Going away")] * 3
        await draining
        async with server.connect() as late:
            assert (await late.closed())[0] == 1001
    assert server.event_log.subscribers == 0


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://{host}", True),
        ("https://{host}", True),
        ("https://friend.example", True),
        ("https://evil.example", False),
        ("http://{host}.evil.example", False),
        ("null", False),
        ("http://[", False),
        ("http://[v1.x]:9", False),
        ("chrome-extension://{host}", False),
        ("file://{host}", False),
    ],
)
async def test_origins(start_server: Any, origin: str | None, *, allowed: bool) -> None:
    """Pages may connect if their origin is the gateway's, or one that the settings allow."""
    server = await start_server(origins=["https://friend.example"])
    host = server.url.split("/")[2]
    sent = {} if origin is None else {"Origin": origin.format(host=host)}
    if allowed:
        async with server.socket(**sent):
            return
    with pytest.raises(WSServerHandshakeError) as raised:
        async with server.socket(**sent):
            pass
    assert raised.value.status == 403


@pytest.mark.parametrize("reported", ["https", "https, http"])
@pytest.mark.parametrize(("scheme", "allowed"), [("https", True), ("http", False)])
async def test_origins_behind_a_proxy(server: Any, scheme: str, reported: str, *, allowed: bool) -> None:
    """Where a proxy reports that it is reached by https, a page that was fetched by http is another site's."""
    fields = {"Origin": f"{scheme}://{server.url.split('/')[2]}", "X_Forwarded_Proto": reported}
    if allowed:
        async with server.socket(**fields):
            return
    with pytest.raises(WSServerHandshakeError):
        async with server.socket(**fields):
            pass


async def test_credentials_in_the_handshake_or_in_the_payload(start_server: Any) -> None:
    """Credentials are read from the handshake or from connection_init, and connection_init gives no other headers."""
    received = []

    async def recording(connection: Any) -> Any:
        headers = connection.headers
        received.append(
            {name: headers[name] for name in ("authorization", "x-api-key", "x-forwarded-user") if name in headers}
        )
        return ANYONE

    server = await start_server(recording)
    async with server.socket(authorization="Bearer a"):
        pass
    async with server.socket({"Authorization": "Bearer b", "x-forwarded-user": "root"}):
        pass
    async with server.socket({"headers": {"X-API-Key": "c", "X-Forwarded-User": "root"}, "authorization": 1}):
        pass
    assert received == [{"authorization": "Bearer a"}, {"authorization": "Bearer b"}, {"x-api-key": "c"}]
