"""WebSockets, by another library's client."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from gateway.api.web.http import Closed, SocketRoute, WebSocket

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(b"x" * 16) + b"\r\n\r\n"
)


def frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """A frame as a client sends it, masked by zeros."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([(0x80 if final else 0) | opcode]) + size + b"\0\0\0\0" + data


async def echo(socket: WebSocket) -> None:
    """Say again what was said, once all is accepted that is offered."""
    await socket.accept(socket.offered[-1] if socket.offered else None)
    try:
        while (text := await socket.receive()) != "end":
            await socket.send(text)
    except Closed:
        await socket.close(4400, "no text")
    await socket.close(4000, "é" * 100)


async def refuse(socket: WebSocket) -> None:
    await socket.close()


async def break_down(socket: WebSocket) -> None:
    await socket.accept()
    raise RuntimeError("a defect")


@pytest.fixture
def server(serve: Any) -> Callable[..., Any]:
    """A server with these sockets."""

    async def make(**options: Any) -> Any:
        routes = {"/socket": echo, "/refused": refuse, "/broken": break_down}
        return await serve(*(SocketRoute(path, handler) for path, handler in routes.items()), **options)

    return make


async def test_messages(server: Any) -> None:
    """Texts of any size go there and back, pings are answered, and the close has its code and reason."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket", protocols=("a", "b")) as socket:
        assert socket.protocol == "b"
        for text in ("", "é", "x" * 126, "y" * 70_000, "z" * 2_000_000):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=5) == text
        await socket.send_str("end")
        message = await socket.receive(timeout=5)
        assert (message.type, socket.close_code, message.extra) == (WSMsgType.CLOSE, 4000, "é" * 61)
    await served.until(lambda: not served.connections)


async def test_a_message_that_is_no_text(server: Any) -> None:
    """It ends the conversation, by a code of the endpoint's choice."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket") as socket:
        assert socket.protocol is None
        await socket.send_bytes(b"x")
        assert ((await socket.receive(timeout=5)).extra, socket.close_code) == ("no text", 4400)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(8, b"\x03\xe8bye"), 1000),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"x" * 1_001), 1009),
        (frame(1, b"x" * 900, final=False) + frame(0, b"x" * 101), 1009),
        (frame(0, b"x"), 1002),
        (frame(3, b"x"), 1002),
        (b"\x81\x01x", 1002),
        (frame(9, b"x" * 126), 1002),
    ],
)
async def test_how_it_ends(server: Any, sent: bytes, code: int) -> None:
    """What the protocol does not allow is answered by the code that it has for that, and a goodbye by another."""
    served = await server(message=1_000)
    async with served.client() as client:
        client.send(HANDSHAKE, frame(9, b"p"), frame(1, b"te", final=False), frame(9, b"q"), frame(0, b"xt"), sent)
        assert (await client.answer(bodiless=True)).status == 101
        answer = await client.rest()
        for heard in (b"\x8a\x01p", b"\x8a\x01q"):
            assert heard in answer
        end = answer[answer.rindex(b"\x88") :]
        assert int.from_bytes(end[2:4]) == code
    await served.until(lambda: not served.connections)


async def test_a_handshake_that_is_refused(server: Any) -> None:
    """An endpoint may refuse a socket; what is no handshake is refused; elsewhere it is a plain GET."""
    served = await server()
    async with ClientSession() as session:
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(f"{served.url}/refused")
        assert refused.value.status == 403
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(f"{served.url}/echo")
        assert refused.value.status == 200
    for change in (b"Version: 13", b"Version: 12"), (b"Sec-WebSocket-Key", b"X-Key"):
        async with served.client() as client:
            client.send(HANDSHAKE.replace(*change))
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert await client.rest() == b"" or answer.body


async def test_a_defect(server: Any) -> None:
    """A defect of an endpoint ends its socket."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/broken") as socket:
        assert (await socket.receive(timeout=5)).type in {WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE}
    await served.until(lambda: not served.connections)


async def test_a_client_that_leaves(serve: Any) -> None:
    """Whoever reads is told that it has gone."""
    told = asyncio.Event()

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await socket.receive()
        finally:
            told.set()

    served = await serve(SocketRoute("/socket", listen))
    async with served.client() as client:
        client.send(HANDSHAKE)
        assert (await client.answer(bodiless=True)).status == 101
    async with asyncio.timeout(5):
        await told.wait()
    await served.until(lambda: not served.connections)


async def test_a_client_that_reads_nothing(serve: Any) -> None:
    """Who sends to it waits; the close does not wait for long."""
    sent = 0

    async def talk(socket: WebSocket) -> None:
        nonlocal sent
        await socket.accept()
        try:
            async with asyncio.timeout(1):
                while True:
                    await socket.send("x" * 10_000)
                    sent += 1
        except TimeoutError:
            await socket.close(4408, "stuck")

    served = await serve(SocketRoute("/socket", talk), goodbye=0.2)
    async with served.client(limit=1_000) as client:
        client.send(HANDSHAKE)
        await served.until(lambda: served.connections == 1)
        await served.until(lambda: not served.connections)
        assert 0 < sent < 2_000


async def test_a_client_that_asks_and_asks(serve: Any) -> None:
    """Messages that nobody takes are not read, and pings that nobody could be answered are not either."""
    served = await serve(SocketRoute("/socket", _accept_and_wait))
    for flood in (frame(1, b""), frame(9, b"x" * 125)):
        async with served.client(limit=1_000) as client:
            client.send(HANDSHAKE)
            client.send(flood * (30_000_000 // len(flood)))
            before = -1
            async with asyncio.timeout(10):
                while (left := client.writer.transport.get_write_buffer_size()) != before:
                    before = left
                    await asyncio.sleep(0.3)
            assert left > 10_000_000


async def _accept_and_wait(socket: WebSocket) -> None:
    await socket.accept()
    await asyncio.Event().wait()


async def test_a_server_that_stops(serve: Any) -> None:
    """Who is still there when time is over is told that the server goes away."""
    served = await serve(SocketRoute("/socket", _accept_and_wait), grace=0.1)
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket") as socket:
        stopping = asyncio.ensure_future(served.server.stop())
        await socket.receive(timeout=5)
        assert socket.close_code == 1001
        async with asyncio.timeout(5):
            await stopping
