"""An OTLP receiver over HTTP for the measurements: it counts what arrives, stores nothing, and answers at once.

`python -m benchmarks.collector PORT` runs it; `GET /received` returns the counts as JSON.
"""

import asyncio
import gzip
import http.client
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.processes import free_port, running_process, wait_until

__all__ = ["Collector", "count_spans", "run_collector"]

_START_TIMEOUT = 10.0  # seconds
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_COMPRESSED = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
"""The numbers of the repeated fields from `ExportTraceServiceRequest` to its spans."""


@dataclass(slots=True)
class Collector:
    """The running receiver."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def received(self) -> dict[str, int]:
        """Return the number of `spans`, and of requests with `traces` and with `metrics`, so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/received")
            counts: dict[str, int] = orjson.loads(connection.getresponse().read())
            return counts
        finally:
            connection.close()


@contextmanager
def run_collector(*, core: int, folder: Path) -> Iterator[Collector]:
    """Run the receiver on one core until the block ends.

    Raises:
        FailedStartError: it did not start.
    """
    collector, log = Collector(free_port()), folder / "collector.log"
    command = [sys.executable, "-m", "benchmarks.collector", str(collector.port)]
    with running_process(command, core=core, log=log) as process:
        wait_until(lambda: _responds(collector), process, log, _START_TIMEOUT)
        yield collector


def count_spans(message: bytes) -> int:
    """Return the number of spans in an `ExportTraceServiceRequest`, without parsing the spans."""
    return sum(
        1
        for resource in _submessages(message, _RESOURCE_SPANS)
        for scope in _submessages(resource, _SCOPE_SPANS)
        for _ in _submessages(scope, _SPANS)
    )


def _submessages(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the values of a field with length-delimited values; the fields beside it have such values too."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        length, position = _varint(message, position)
        if key >> 3 == number:
            yield message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that states that more bytes follow
            return value, position
        shift += 7


def _responds(collector: Collector) -> bool:
    try:
        return bool(collector.received())
    except OSError:
        return False


async def _serve(port: int) -> None:
    counts = {"spans": 0, "traces": 0, "metrics": 0}

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                if _COMPRESSED.search(head):
                    body = gzip.decompress(body)
                answer = b""
                if head.startswith(b"POST /v1/traces"):
                    counts["traces"] += 1
                    counts["spans"] += count_spans(body)
                elif head.startswith(b"POST /v1/metrics"):
                    counts["metrics"] += 1
                else:
                    answer = orjson.dumps(counts)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
