"""No caller takes what all callers share: slots, connections, streams, records."""

import asyncio
import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import ClientSession, TCPConnector
from security.attacks.conftest import READ, scaled
from security.outside import Caller, Keys, Serve


async def test_slow_readers_of_deferred_parts(
    serve: Serve, production_settings: dict[str, str], keys: Keys, caller_of: Callable[..., Caller]
) -> None:
    """Clients that do not read their deferred parts take no slot of the gate from others."""
    parts = " ".join(
        f"a{number}: users(first: 100) {{ nodes {{ id name email username status createdAt updatedAt lastActiveAt }} }}"
        for number in range(18)
    )
    query = f"{{ __typename ... @defer {{ {parts} }} }}"
    settings = production_settings | {"GATEWAY_GATE__AT_ONCE": "8", "GATEWAY_GATE__PATIENCE": "3"}
    with serve(**settings) as running:
        address = urlsplit(running.address("GraphQL"))
        body = json.dumps({"query": query})
        lines = [
            "POST /graphql HTTP/1.1",
            "Host: gateway",
            "Content-Type: application/json",
            "Accept: multipart/mixed",
            f"X-API-Key: {keys.by_name['reader']}",
            f"Content-Length: {len(body)}",
        ]
        writers = []
        for _ in range(scaled(24)):
            reader, writer = await asyncio.open_connection(
                sock=_slow_socket(address.hostname, address.port), limit=1_024
            )
            writer.transport.pause_reading()
            writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            writers.append((reader, writer))
        await asyncio.sleep(2)
        answers = await asyncio.gather(*(caller_of(running, "all").send({"query": READ}) for _ in range(20)))
        for _, writer in writers:
            writer.transport.abort()
        assert [status for status, _, _ in answers if status != 200] == []


async def test_sockets_without_connection_init(serve: Serve, production_settings: dict[str, str], keys: Keys) -> None:
    """Sockets that never say who they are take few of the connections; a caller with a key gets one."""
    for server in ("aiohttp", "lean"):
        settings = production_settings | {"GATEWAY_LIVE__CONNECTIONS": "100", "GATEWAY_HTTP_SERVER": server}
        with serve(**settings) as running:
            url = running.address("GraphQL")
            async with ClientSession(connector=TCPConnector(limit=0)) as session:
                silent = [await session.ws_connect(url, protocols=["graphql-transport-ws"]) for _ in range(120)]
                socket = await session.ws_connect(url, protocols=["graphql-transport-ws"])
                await socket.send_json({"type": "connection_init", "payload": {"x-api-key": keys.by_name["reader"]}})
                assert (await socket.receive_json(timeout=5))["type"] == "connection_ack"
                for one in silent:
                    await one.close()


async def test_one_caller_cannot_reserve_all_streams(
    serve: Serve, production_settings: dict[str, str], keys: Keys
) -> None:
    """One caller reserves some event streams and is then refused; another one still can."""
    with serve(**production_settings) as running:
        async with ClientSession() as session:
            url = running.address("GraphQL")
            statuses = []
            for _ in range(1_100):
                async with session.put(url, headers={"X-API-Key": keys.by_name["reader"]}) as response:
                    statuses.append(response.status)
                    if response.status != 201:
                        break
            assert statuses[0] == 201
            assert statuses[-1] in {429, 503}
            async with session.put(url, headers={"X-API-Key": keys.by_name["all"]}) as response:
                assert response.status == 201


def _slow_socket(host: str | None, port: int | None) -> socket.socket:
    """Return a connection for which the kernels buffer little: over loopback they would buffer megabytes."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_400)
    slow.connect((host, port))
    slow.setblocking(False)
    return slow
