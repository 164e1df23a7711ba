"""How sockets are closed: the table of graphql-transport-ws, one row after the other."""

import asyncio
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from gateway.errors import Unauthenticated
from gateway.operation import ANYONE

INIT = '{"type":"connection_init"}'
SUBSCRIBE = '{"type":"subscribe","id":"1","payload":{"query":"subscription { userChanged { id } }"}}'


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ([INIT, INIT], 4429, "Too many initialisation requests"),
        ([SUBSCRIBE], 4401, "Unauthorized"),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409, "Subscriber for 1 already exists"),
        ([b"\x00"], 4400, "A message is a text."),
        ([INIT, b"\x00"], 4400, "A message is a text."),
        (["nonsense"], 4400, "The message is not JSON"),
        (['{"type":"ping","type":"pong"}'], 4400, "a name twice"),
        (["[]"], 4400, "A message is a JSON object."),
        (["{}"], 4400, "A message has a `type`"),
        (['{"type":"start","id":"1"}'], 4400, "A message has a `type`"),
        (['{"type":"next","id":"1","payload":{}}'], 4400, "A message has a `type`"),
        (['{"type":["ping"]}'], 4400, "A message has a `type`"),
        (['{"type":"connection_init","payload":1}'], 4400, "The payload of a connection_init is an object."),
        (['{"type":"ping","payload":"x"}'], 4400, "The payload of a ping is an object."),
        ([INIT, '{"type":"complete"}'], 4400, "A complete has an `id`"),
        ([INIT, '{"type":"subscribe","id":1,"payload":{"query":"{ x }"}}'], 4400, "A subscribe has an `id`"),
        ([INIT, '{"type":"subscribe","id":"","payload":{"query":"{ x }"}}'], 4400, "A subscribe has an `id`"),
        ([INIT, '{"type":"subscribe","id":"1"}'], 4400, "must be a JSON object with a `query`"),
        ([INIT, '{"type":"subscribe","id":"1","payload":{}}'], 4400, "The request has no `query`."),
        ([INIT, '{"type":"subscribe","id":"1","payload":{"query":"{x}","variables":[]}}'], 4400, "`variables`"),
        ([f'{{"type":"ping","payload":{{"x":"{"é" * 1000}"}}}}'], 4400, "no more than 1500 bytes"),
        (["x" * 3_000_000], 1009, ""),
    ],
)
async def test_what_a_client_may_not_say(opened: Any, said: list[str | bytes], code: int, reason: str) -> None:
    """A message that breaks the protocol closes the socket with the protocol's code, and a reason that helps."""
    here = await opened(message=1500)
    async with here.bare() as socket:
        for one in said:
            await (socket.socket.send_bytes(one) if isinstance(one, bytes) else socket.socket.send_str(one))
        ended, told = await socket.end()
    assert ended == code
    assert reason in told


async def test_no_initialisation(opened: Any) -> None:
    """Who does not say connection_init in time is closed with 4408."""
    here = await opened(init=0.05)
    async with here.bare() as socket:
        assert await socket.end() == (4408, "Connection initialisation timeout")


async def test_an_authentication_that_takes_too_long(opened: Any) -> None:
    """The time until the acknowledgement is bounded, whoever spends it."""

    async def forever(headers: Any) -> Any:
        await asyncio.sleep(60)

    here = await opened(forever, init=0.05)
    async with here.bare() as socket:
        await socket.say("connection_init")
        assert (await socket.end())[0] == 4408


async def test_a_caller_who_is_refused(opened: Any) -> None:
    """Credentials that are not believed close the socket with 4403, and the reason is the refusal's own words."""

    async def nobody(headers: Any) -> Any:
        raise Unauthenticated("Say who you are.")

    here = await opened(nobody)
    async with here.bare() as socket:
        await socket.say("connection_init")
        assert await socket.end() == (4403, "Forbidden: Say who you are.")


@pytest.mark.parametrize("protocols", [("graphql-ws",), ("graphql-ws", "soap"), ()])
async def test_another_subprotocol(here: Any, protocols: tuple[str, ...]) -> None:
    """A client that does not speak graphql-transport-ws is told so with 4406."""
    async with here.session.ws_connect(here.url, protocols=protocols) as socket:
        await socket.receive()
        assert socket.close_code == 4406


async def test_a_silent_client(opened: Any) -> None:
    """A client that answers no ping is closed; one that answers is not, and its own pings are answered at once."""
    here = await opened(ping=0.1, pong=0.2)
    async with here.socket() as answering, here.socket() as silent:
        ending = asyncio.ensure_future(silent.end())
        for _ in range(5):
            assert await answering.socket.receive_json(timeout=5) == {"type": "ping"}
            await answering.say("pong")
        assert await ending == (4499, "No pong received")
        await answering.say("ping", payload={"n": 1})
        assert await answering.hear() == {"type": "pong", "payload": {"n": 1}}


async def test_too_many_connections(opened: Any) -> None:
    """One connection too many is closed with 1013, and there is room again when another has gone."""
    here = await opened(connections=1)
    async with here.socket(), here.bare() as socket:
        assert (await socket.end())[0] == 1013
    await here.until(lambda: here.live.traffic.connections == 0)
    async with here.socket():
        assert here.live.traffic.connections == 1


async def test_draining(opened: Any) -> None:
    """A gateway that stops closes all sockets with 1001, not all at once, and takes no new ones."""
    here = await opened(drain=0.3)
    async with here.socket() as one, here.socket() as two, here.bare() as silent:
        await one.subscribe()
        await here.followed()
        draining = asyncio.ensure_future(here.live.drain())
        assert [await socket.end() for socket in (one, two, silent)] == [(1001, "Going away")] * 3
        await draining
        async with here.bare() as late:
            assert (await late.end())[0] == 1001
    assert here.events.subscribers == 0


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://{host}", True),
        ("https://{host}", True),
        ("https://friend.example", True),
        ("https://evil.example", False),
        ("http://{host}.evil.example", False),
        ("null", False),
    ],
)
async def test_origins(opened: Any, origin: str | None, *, welcome: bool) -> None:
    """A browser's page may connect from where the gateway is itself, or from where the settings allow it."""
    here = await opened(allows=lambda sent: sent == "https://friend.example")
    host = here.url.split("/")[2]
    sent = {} if origin is None else {"Origin": origin.format(host=host)}
    if welcome:
        async with here.socket(**sent):
            return
    with pytest.raises(WSServerHandshakeError) as raised:
        async with here.socket(**sent):
            pass
    assert raised.value.status == 403


async def test_credentials_in_the_handshake_or_in_the_payload(opened: Any) -> None:
    """What authenticates is in the handshake or in connection_init, and nothing else is taken from there."""
    heard = []

    async def listening(headers: Any) -> Any:
        heard.append(
            {name: headers[name] for name in ("authorization", "x-api-key", "x-forwarded-user") if name in headers}
        )
        return ANYONE

    here = await opened(listening)
    async with here.socket(authorization="Bearer a"):
        pass
    async with here.socket({"Authorization": "Bearer b", "x-forwarded-user": "root"}):
        pass
    async with here.socket({"headers": {"X-API-Key": "c", "X-Forwarded-User": "root"}, "authorization": 1}):
        pass
    assert heard == [{"authorization": "Bearer a"}, {"authorization": "Bearer b"}, {"x-api-key": "c"}]
