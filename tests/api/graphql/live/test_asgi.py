"""Live operations served by an ASGI server: uvicorn, in another process."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

CHANGED = "subscription { userChanged { user { name } } }"
RENAME = 'mutation($name: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $name}) { name } }'


class Served:
    """A gateway that is served by uvicorn."""

    def __init__(self, session: ClientSession, url: str, pid: int) -> None:
        self.session = session
        self.url = url
        self.pid = pid

    async def state(self) -> Any:
        """Return how many subscribers, connections and tasks the process has."""
        async with self.session.get(self.url.replace("/graphql", "/state")) as answer:
            return await answer.json(content_type=None)

    async def until(self, **expected: int) -> None:
        """Wait until the state has these values."""
        async with asyncio.timeout(30):
            while expected.items() - (await self.state()).items():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)

    async def rename(self, name: str) -> None:
        """Change a user."""
        async with self.session.post(self.url, json={"query": RENAME, "variables": {"name": name}}) as answer:
            assert (await answer.json())["data"] == {"updateAccountUser": {"name": name}}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Start a gateway in front of a sandbox, served by uvicorn."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("asgi_program.py"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
    )
    assert process.stdout is not None
    printed = b""
    try:
        async with asyncio.timeout(20):
            while not (found := re.search(rb"running on (http://\S+)", printed)):
                line = await process.stdout.readline()
                assert line, printed.decode()
                printed += line
        async with ClientSession() as session:
            yield Served(session, f"{found[1].decode()}/graphql", process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            rest, _ = await process.communicate()
    assert b"Traceback" not in rest, rest.decode()


async def test_sockets(served: Served) -> None:
    """The protocol is the same as on the other servers, and a client that disconnects leaves nothing."""
    idle = (await served.state())["tasks"]
    async with served.session.ws_connect(served.url, protocols=("graphql-transport-ws",)) as socket:
        assert socket.protocol == "graphql-transport-ws"
        await socket.send_json({"type": "connection_init"})
        assert await socket.receive_json(timeout=20) == {"type": "connection_ack"}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
        await served.until(subscribers=1)
        await served.rename("by asgi")
        message = await socket.receive_json(timeout=20)
        assert message["payload"]["data"]["userChanged"]["user"]["name"] == "by asgi"
        await socket.send_json({"type": "complete", "id": "1"})
        await served.until(subscribers=0)
        await socket.send_json({"type": "connection_init"})
        await socket.receive(timeout=20)
        assert socket.close_code == 4429
    async with served.session.ws_connect(served.url, protocols=("graphql-ws",)) as socket:
        await socket.receive(timeout=20)
        assert socket.close_code == 4406
    async with served.session.ws_connect(served.url, protocols=("graphql-transport-ws",)) as socket:
        await socket.send_bytes(b"x")
        await socket.receive(timeout=20)
        assert socket.close_code == 4400
    async with served.session.ws_connect(served.url, protocols=("graphql-transport-ws",)) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
        await served.until(subscribers=1)
        socket._response.connection.transport.abort()  # type: ignore[union-attr]  # it is connected
        await served.until(subscribers=0, connections=0, tasks=idle)


async def test_event_streams(served: Served) -> None:
    """An event stream is the same as on the other servers, and a client that disconnects leaves nothing."""
    idle = (await served.state())["tasks"]
    body = {"query": CHANGED}
    async with served.session.post(served.url, json=body, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.status == 200
        assert await stream.content.readline() == b":\n"
        await served.until(subscribers=1)
        await served.rename("by asgi")
        lines = [await stream.content.readline() for _ in range(3)]
        assert lines == [
            b"\n",
            b"event: next\n",
            b'data: {"data":{"userChanged":{"user":{"name":"by asgi"}}}}\n',
        ]
    await served.until(subscribers=0, connections=0, tasks=idle)
    body = {"query": "{ __typename }"}
    async with served.session.post(served.url, json=body, headers={"Accept": "text/event-stream"}) as stream:
        assert (await stream.read()).endswith(b"event: complete\ndata:\n\n")


async def test_responses_without_a_body(served: Served) -> None:
    """Responses to HEAD and with status 204 have no `Content-Length`; others have that of their body."""
    health = served.url.replace("/graphql", "/healthz")
    async with served.session.get(health) as answer:
        assert int(answer.headers["Content-Length"]) == len(await answer.read()) > 0
    async with served.session.head(health) as answer:
        assert (answer.status, answer.headers.get("Content-Length")) == (200, None)
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with served.session.options(served.url, headers=preflight) as answer:
        assert (answer.status, answer.headers.get("Content-Length")) == (204, None)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
