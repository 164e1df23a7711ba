"""Many subscribers in one process: a small client of graphql-transport-ws.

As a script it measures the gateway: python tests/api/graphql/live/crowd.py [subscribers] [events] [events a second]
"""

import asyncio
import json
import os
import struct
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

__all__ = ["USER", "Crowd", "Subscriber", "address", "latencies", "memory", "seconds"]

_HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
USER = "acus_adalovelace1"
_QUERY = "subscription { userChanged { id change occurredAt user { id name email role { name } } } }"


def frame(text: str) -> bytes:
    """Return a text frame of a client: masked, with zeros."""
    body = text.encode()
    size = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack("!H", len(body))
    return b"\x81" + size + b"\0\0\0\0" + body


class Subscriber(asyncio.Protocol):
    """A WebSocket with one subscription; `received` has its messages and the times of their arrival."""

    def __init__(self, query: str = _QUERY) -> None:
        self.received: list[tuple[float, bytes]] = []
        self.acknowledged = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()
        self.code: int | None = None
        self._query = query
        self._buffer = b""
        self._upgraded = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        host, port = transport.get_extra_info("peername")
        transport.write(_HANDSHAKE.format(host=host, port=port).encode() + frame('{"type":"connection_init"}'))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._upgraded = True
        position = 0
        while len(data) - position >= 2:
            size, start = data[position + 1], position + 2
            if size == 126:
                if len(data) - start < 2:
                    break
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            if len(data) - start < size:
                break
            self._message(data[position] & 15, data[start : start + size])
            position = start + size
        self._buffer = data[position:]

    def _message(self, kind: int, body: bytes) -> None:
        if kind == 8:
            self.code = int.from_bytes(body[:2], "big")
            self.transport.close()
        elif b'"type":"next"' in body:
            self.received.append((time(), body))
        elif body == b'{"type":"ping"}':
            self.transport.write(frame('{"type":"pong"}'))
        elif body == b'{"type":"connection_ack"}':
            self.transport.write(frame(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": self._query}})))
            self.acknowledged.set_result(None)


@dataclass
class Crowd:
    """Many subscribers of one server."""

    host: str
    port: int
    subscribers: list[Subscriber] = field(default_factory=list)

    async def join(self, number: int) -> None:
        """Add that number of subscribers."""
        loop = asyncio.get_running_loop()
        for start in range(0, number, 50):
            count = min(50, number - start)
            made = await asyncio.gather(
                *(loop.create_connection(Subscriber, self.host, self.port) for _ in range(count))
            )
            joined = [protocol for _, protocol in made]
            await asyncio.gather(*(one.acknowledged for one in joined))
            self.subscribers += joined

    async def until(self, events: int, seconds: float) -> None:
        """Wait until each subscriber has received that number of events."""
        async with asyncio.timeout(seconds):
            while any(len(one.received) < events for one in self.subscribers):  # noqa: ASYNC110 - many set no event
                await asyncio.sleep(0.02)

    def is_in_order(self) -> bool:
        """Return whether all have received the same events, each once, in the order of the log."""
        first = [body for _, body in self.subscribers[0].received]
        ids = [json.loads(body)["payload"]["data"]["userChanged"]["id"] for body in first]
        return ids == sorted(set(ids)) and all([body for _, body in one.received] == first for one in self.subscribers)

    async def leave(self) -> None:
        """Disconnect all without closing."""
        for one in self.subscribers:
            one.transport.abort()
        await asyncio.gather(*(one.closed for one in self.subscribers))


def address(url: str) -> tuple[str, int]:
    """Return the host and port of a URL."""
    host, _, port = url.split("/")[2].partition(":")
    return host, int(port)


def latencies(crowd: Crowd) -> list[float]:
    """Return the seconds from each event to each of its deliveries, ascending."""
    times: dict[bytes, float] = {}
    found = []
    for one in crowd.subscribers:
        for at, body in one.received:
            if body not in times:
                occurred_at = json.loads(body)["payload"]["data"]["userChanged"]["occurredAt"]
                times[body] = datetime.fromisoformat(occurred_at).timestamp()
            found.append(at - times[body])
    return sorted(found)


def seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def print_line(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def memory(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def _measure(subscribers: int, events: int, rate: float) -> None:
    from aiohttp import ClientSession
    from conftest import command

    with command("demo", "--http-port", "0", "--grpc-port", "off", "--no-rate-limits", last="{ user(") as demo:
        os.sched_setaffinity(demo.pid, {0})
        os.sched_setaffinity(0, {1})
        url = demo.address("GraphQL")
        async with ClientSession() as session:

            async def change(number: int) -> None:
                mutation = f'mutation {{ updateAccountUser(id: "{USER}", input: {{name: "n{number}"}}) {{ id }} }}'
                async with session.post(url, json={"query": mutation}) as answer:
                    assert "errors" not in await answer.json()

            await change(0)
            crowd = Crowd(*address(url))
            await crowd.join(50)
            await asyncio.sleep(1)
            before, cpu = memory(demo.pid), seconds(demo.pid)
            await crowd.join(subscribers - 50)
            await asyncio.sleep(2)
            each = (memory(demo.pid) - before) / (subscribers - 50)
            joined = (seconds(demo.pid) - cpu) / (subscribers - 50) * 1e6
            print_line(f"an idle subscriber: {each:.1f} KiB, {joined:.0f} us of CPU to join")
            started, cpu = time(), seconds(demo.pid)
            for number in range(1, events + 1):
                await change(number)
                await asyncio.sleep(max(0, started + number / rate - time()))
            await crowd.until(events, 120)
            took, cpu = time() - started, seconds(demo.pid) - cpu
            found = latencies(crowd)
            p50, p99 = (found[int(len(found) * share)] * 1000 for share in (0.5, 0.99))
            print_line(
                f"{len(found)} deliveries in {took:.1f} s, in order: {crowd.is_in_order()}; p50 {p50:.0f} ms, "
                f"p99 {p99:.0f} ms, most {found[-1] * 1000:.0f} ms; {cpu / len(found) * 1e6:.1f} us of CPU each"
            )
            await crowd.leave()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    arguments = [float(text) for text in sys.argv[1:]] + [2000, 100, 5][len(sys.argv) - 1 :]
    asyncio.run(_measure(int(arguments[0]), int(arguments[1]), arguments[2]))
