"""WebSockets, with aiohttp's client and with single frames."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from gateway.api.web.http import Closed
from gateway.api.web.sockets import SocketRoute, WebSocket

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(b"x" * 16) + b"\r\n\r\n"
)


def frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """Return a frame as a client sends it, with a mask of zeros."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([(0x80 if final else 0) | opcode]) + size + b"\0\0\0\0" + data


async def echo(socket: WebSocket) -> None:
    """Accept the last subprotocol, and send back every text until `end`; at `/unknown` only small ones."""
    await socket.accept(socket.subprotocols[-1] if socket.subprotocols else None)
    if socket.request.path != "/unknown":
        socket.allow_large_messages()
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
    """Start a server with these WebSocket endpoints."""

    async def make(**options: Any) -> Any:
        routes = {"/socket": echo, "/unknown": echo, "/refused": refuse, "/broken": break_down}
        limits = {"close_timeout": 30.0} | options  # more than a close frame takes on a busy machine
        return await serve(*(SocketRoute(path, handler) for path, handler in routes.items()), **limits)

    return make


async def test_messages(server: Any) -> None:
    """Texts of any size are received and sent, pings are answered, and the close frame has its code and reason."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket", protocols=("a", "b")) as socket:
        assert socket.protocol == "b"
        for text in ("", "é", "x" * 126, "y" * 70_000, "z" * 2_000_000):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=20) == text
        await socket.send_str("end")
        message = await socket.receive(timeout=20)
        assert (message.type, socket.close_code, message.extra) == (WSMsgType.CLOSE, 4000, "é" * 61)
    await served.until(lambda: not served.connections)


async def test_a_binary_message(server: Any) -> None:
    """A binary message closes the WebSocket, with a code of the endpoint."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket") as socket:
        assert socket.protocol is None
        await socket.send_bytes(b"x")
        assert ((await socket.receive(timeout=20)).extra, socket.close_code) == ("no text", 4400)


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
async def test_close_codes(server: Any, sent: bytes, code: int) -> None:
    """A violation of the protocol is answered by its close code, and a close frame by another close frame."""
    served = await server(max_message=1_000)
    async with served.client() as client:
        client.send(HANDSHAKE, frame(9, b"p"), frame(1, b"te", final=False), frame(9, b"q"), frame(0, b"xt"), sent)
        assert (await client.response(bodiless=True)).status == 101
        response = await client.read_to_end()
        for pong in (b"\x8a\x01p", b"\x8a\x01q"):
            assert pong in response
        end = response[response.rindex(b"\x88") :]
        assert int.from_bytes(end[2:4]) == code
    await served.until(lambda: not served.connections)


async def test_a_refused_handshake(server: Any) -> None:
    """An endpoint can refuse a handshake, and an invalid one is refused; other paths get a normal GET."""
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
            response = await client.response()
            assert (response.status, response.headers["connection"]) == (400, "close")
            assert await client.read_to_end() == b"" or response.body


async def test_a_defect(server: Any) -> None:
    """An exception in an endpoint closes its WebSocket."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/broken") as socket:
        assert (await socket.receive(timeout=20)).type in {WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE}
    await served.until(lambda: not served.connections)


async def test_a_client_that_disconnects(serve: Any) -> None:
    """An endpoint that waits for a message is woken when the client disconnects."""
    woken = asyncio.Event()

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await socket.receive()
        finally:
            woken.set()

    served = await serve(SocketRoute("/socket", listen))
    async with served.client() as client:
        client.send(HANDSHAKE)
        assert (await client.response(bodiless=True)).status == 101
    async with asyncio.timeout(20):
        await woken.wait()
    await served.until(lambda: not served.connections)


async def test_a_client_that_does_not_read(serve: Any) -> None:
    """Sending to a client that does not read waits, and closing does not wait for long."""
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
            await socket.close(4408, "too slow")

    served = await serve(SocketRoute("/socket", talk), close_timeout=0.2)
    async with served.client(limit=1_000) as client:
        client.send(HANDSHAKE)
        await served.until(lambda: sent > 0)
        await served.until(lambda: not served.connections)
        assert sent < 2_000


async def test_a_flood_of_messages(serve: Any) -> None:
    """Reading pauses while messages are not received."""
    served = await serve(SocketRoute("/socket", _accept_and_wait))
    flood = frame(1, b"")
    async with served.client(limit=1_000) as client:
        client.send(HANDSHAKE)
        client.send(flood * (30_000_000 // len(flood)))
        before = -1
        async with asyncio.timeout(30):
            while (left := client.writer.transport.get_write_buffer_size()) != before:
                before = left
                await asyncio.sleep(0.3)
        assert left > 10_000_000


@pytest.mark.parametrize("opcode", [9, 10])
async def test_a_flood_of_control_frames(server: Any, opcode: int) -> None:
    """More than 20 control frames in a second close the WebSocket with 1008."""
    served = await server()
    async with served.client() as client:
        client.send(HANDSHAKE, frame(opcode, b"") * 1_000)
        assert (await client.response(bodiless=True)).status == 101
        received = await client.read_to_end()
        assert int.from_bytes(received[received.rindex(b"\x88") :][2:4]) == 1008
    await served.until(lambda: not served.connections)


async def test_a_large_message_of_an_unknown_client(server: Any) -> None:
    """Until the endpoint allows large messages, one of more than 16 KiB closes the WebSocket with 1009."""
    served = await server()
    async with ClientSession() as session, session.ws_connect(f"{served.url}/unknown") as socket:
        await socket.send_str("x" * 16_384)
        assert len(await socket.receive_str(timeout=20)) == 16_384
        await socket.send_str("x" * 16_385)
        await socket.receive(timeout=20)
        assert socket.close_code == 1009


async def test_a_large_message_in_small_pieces(server: Any) -> None:
    """A message is put together from many frames in many packets, with other frames between them."""
    served = await server()
    pieces = [f"{number:05}".encode() for number in range(20_000)]
    async with served.client() as client:
        client.send(HANDSHAKE, frame(1, pieces[0], final=False))
        for start in range(1, len(pieces), 1_000):
            client.send(*(frame(0, piece, final=False) for piece in pieces[start : start + 1_000]))
            await asyncio.sleep(0)
        client.send(frame(9, b"ping"), frame(0, b""))
        assert (await client.response(bodiless=True)).status == 101
        async with asyncio.timeout(30):
            assert await client.reader.readexactly(6) == b"\x8a\x04ping"
            assert await client.reader.readexactly(10) == b"\x81\x7f" + (100_000).to_bytes(8)
            assert await client.reader.readexactly(100_000) == b"".join(pieces)


async def _accept_and_wait(socket: WebSocket) -> None:
    await socket.accept()
    await asyncio.Event().wait()


async def test_a_server_that_stops(serve: Any) -> None:
    """After the grace period, clients get a close frame with the code for going away."""
    served = await serve(SocketRoute("/socket", _accept_and_wait), grace=0.1)
    async with ClientSession() as session, session.ws_connect(f"{served.url}/socket") as socket:
        stopping = asyncio.ensure_future(served.server.stop())
        await socket.receive(timeout=20)
        assert socket.close_code == 1001
        async with asyncio.timeout(20):
            await stopping
