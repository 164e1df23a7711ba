"""An account API that counts every request at its arrival, by its own clock, in a sliding window of 20 a second.

It is a separate process, so that nothing that delays the gateway delays its clock. It prints its port. Every record
is missing; `/statistics` has the numbers. The wait of a 429 grows by 1.5^n, as that of the real API does
(docs/upstreams/account.md, "Rate limits").

Where a busy machine has stopped this process, nobody knows when the requests arrived that it finds afterwards. These
are not counted in a window.
"""

import asyncio
import time
from collections import deque

import orjson

LIMIT, WINDOW = 20, 1.0
_TICK, _STOPPED = 0.02, 0.2  # seconds between two ticks: usually, and where the process was stopped
_CATCHING_UP = 0.1  # seconds after a stop in which requests may be from before its end


class StrictSource:
    """Counts the requests: all, those that were refused, and the most that were accepted in one window."""

    def __init__(self) -> None:
        self.accepted: deque[float] = deque()
        self.calls = self.refused = self.refused_in_a_row = self.most = 0
        self.ticked = self.caught_up_at = time.monotonic()

    async def tick(self) -> None:
        """Notice when the process has been stopped."""
        while True:
            self.look()
            await asyncio.sleep(_TICK)

    def look(self) -> float:
        """Return the time, and note where the process has been stopped until now."""
        now = time.monotonic()
        if now - self.ticked > _STOPPED:
            self.caught_up_at = now + _CATCHING_UP
        self.ticked = now
        return now

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to every request of a connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.statistics() if head.startswith(b"GET /statistics ") else self.respond())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def respond(self) -> bytes:
        now = self.look()
        self.calls += 1
        while self.accepted and self.accepted[0] <= now - WINDOW:
            self.accepted.popleft()
        if len(self.accepted) >= LIMIT and now >= self.caught_up_at:
            self.refused += 1
            self.refused_in_a_row += 1
            wait = int(max(1, min(1.5 ** min(self.refused_in_a_row, 20), 900)))
            return _response(429, _error("rate_limit_exceeded"), f"Retry-After: {wait}\r\n")
        self.refused_in_a_row = 0
        if now >= self.caught_up_at:
            self.accepted.append(now)
        self.most = max(self.most, len(self.accepted))
        quota = (
            f"RateLimit-Limit: {LIMIT}\r\nRateLimit-Remaining: {LIMIT - len(self.accepted)}\r\nRateLimit-Reset: 0\r\n"
        )
        return _response(404, _error("resource_not_found"), quota)

    def statistics(self) -> bytes:
        return _response(200, {"calls": self.calls, "refused": self.refused, "most": self.most})


def _error(code: str) -> dict[str, object]:
    return {"error": {"code": code, "type": "invalid_request_error", "message": "No.", "is_transient": False}}


def _response(status: int, document: object, headers: str = "") -> bytes:
    body = orjson.dumps(document)
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    source = StrictSource()
    server = await asyncio.start_server(source.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the test reads it
    async with asyncio.TaskGroup() as group:
        group.create_task(source.tick())
        group.create_task(server.serve_forever())


if __name__ == "__main__":
    asyncio.run(main())
