"""What can be seen of a gateway while it handles requests: responses, calls to its sources, lines of its log, metrics.

A recording is the same whether the gateway uses its fast paths or not. What differs each time, such as ids and times,
is replaced.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)
from gateway.telemetry.log_stream import LogStream

__all__ = ["Case", "Observed", "Recorder", "post", "recorded", "recorder", "request"]

_TIMEOUT = 30.0  # seconds: a case that takes longer hangs
_ITERATIONS = 200  # of the event loop: more than a request needs from its bytes to its call
_VARYING = (
    (re.compile(rb"(?i)(date|x-request-id|server-timing|traceresponse): [^\r]*"), rb"\1: *"),
    (re.compile(rb'"requestId":"[^"]*"'), b'"requestId":"*"'),
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), b"*uuid*"),
    (re.compile(rb"\b[0-9a-f]{32}\b"), b"*id*"),
    (re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), b"*time*"),
    (re.compile(rb'"(retryAfter|resetIn)":[\d.]+'), rb'"\1":0'),
    (re.compile(rb"(?i)\b(age|retry-after): \d+"), rb"\1: *"),
    (re.compile(rb"\bttl=-?\d+"), b"ttl=*"),
    (re.compile(rb"(127\.0\.0\.1):\d+"), rb"\1:*"),
    (re.compile(rb'"(endCursor|startCursor|cursor|sourceRequestId)":"[^"]*"'), rb'"\1":"*"'),
    (re.compile(rb'"(start|duration)":[\d.]+'), rb'"\1":0'),
    (re.compile(rb'server_port="\d+"'), b'server_port="*"'),
    (re.compile(rb"\brq_\w+"), b"*request*"),
    (re.compile(rb"within [\d.]+ s"), b"within * s"),
    (re.compile(rb'(RateLimit: "default";r=\d+);t=\d+'), rb"\1;t=*"),
    (re.compile(rb"Retry after \d+"), b"Retry after *"),
    # The size of a body with seconds in it.
    (re.compile(rb'(?s)Content-Length: \d+(?=\r\n.*"retryAfter")'), b"Content-Length: *"),
    (re.compile(rb'("codes":\["(RATE_LIMITED|SOURCE_UNAVAILABLE)"\].*"bytes":)\d+'), rb"\1 0"),
)
_TIMES = {"time", "duration_ms", "source_ms", "waited_ms", "request_id"}
_OTHER_METRICS = re.compile(
    r"^(#|process_|python_|gateway_event_loop_|gateway_pacing_tokens|gateway_kept_size_)|_(bucket|sum|created)[{ ]"
)
_PER_ATTEMPT = {"traceparent", "user-agent", "host", "idempotency-key", "connection"}


def request(method: str, target: str, *fields: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a request; a header field is a line, or a keyword with `_` for `-`."""
    lines = [*fields, *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    if not any(line.lower().startswith("host:") for line in lines):
        lines.insert(0, "Host: localhost")
    head = "".join(f"{line}\r\n" for line in (f"{method} {target} HTTP/1.1", *lines))
    return head.encode("utf-8", "surrogateescape") + b"\r\n" + body


def post(
    query: str, variables: Any = None, *fields: str, more: Mapping[str, Any] | None = None, **headers: str
) -> bytes:
    """Return a request of GraphQL by POST, as most clients send it."""
    sent = {"query": query} | ({} if variables is None else {"variables": variables}) | (more or {})
    content_type = {} if "Content_Type" in headers else {"Content_Type": "application/json"}
    return request("POST", "/graphql", *fields, body=json.dumps(sent).encode(), **content_type, **headers)


@dataclass(frozen=True, slots=True)
class Case:
    """Requests on one connection, one after the other.

    `pieces`: the requests are sent in so many pieces. `faults` are those of the sources, for this case. `leaves`: the
    client disconnects when its last request has reached a source. `together`: the requests are sent at the same time,
    each on its own connection; with `leaves`, the first client leaves, and the others wait for the same call.
    """

    name: str
    requests: Sequence[bytes]
    faults: Sequence[Mapping[str, Any]] = ()
    pieces: int = 1
    leaves: bool = False
    together: bool = False


@dataclass(slots=True)
class Observed:
    """What was seen of one case."""

    responses: list[bytes] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Recorder:
    """A gateway in front of a sandbox."""

    url: str
    control: str
    session: ClientSession
    log: int
    stop: Any = None

    async def observe(self, case: Case) -> Observed:
        """Send the requests of a case, and return what was seen."""
        seen = Observed()
        for fault in case.faults:
            async with self.session.post(f"{self.control}/faults", json=fault) as response:
                assert response.status < 300, await response.text()
        async with asyncio.timeout(_TIMEOUT):
            if case.leaves:
                first, *others = case.requests
                seen.responses = await self._leave(first, others)
            elif case.together:
                seen.responses = await asyncio.gather(*(self._exchange([sent]) for sent in case.requests))
            else:
                seen.responses = [await self._exchange(case.requests, case.pieces)]
            # The line of a client that left is written when its calls have ended.
            seen.lines = await self.lines(len(case.requests) if case.leaves else 0)
        if case.together:
            seen.lines.sort(key=str)
        seen.calls = [_call(call) for call in await self._calls()]
        # Whether a source still responds to somebody who has stopped waiting is chance.
        if case.leaves or any(fault["kind"] == "slow" for fault in case.faults):
            seen.calls = [call | {"status": "*"} for call in seen.calls]
        if case.together:
            seen.calls.sort(key=str)
        await (await self.session.delete(f"{self.control}/calls")).read()
        await (await self.session.delete(f"{self.control}/faults")).read()
        return seen

    async def lines(self, number: int = 0) -> list[Any]:
        """Return the new lines of the access log, once there are so many.

        Those of requests that ended just now are written for the metrics.
        """
        await self.metrics()
        text = self._written()
        while text.count(b"\n") < number:
            await asyncio.sleep(0.01)
            text += self._written()
        lines = [json.loads(line) for line in _without_varying(text).splitlines()]
        return [
            {name: value for name, value in line.items() if name not in _TIMES}
            | {"trace_id": "*" if line.get("trace_id") else ""}
            for line in lines
        ]

    def _written(self) -> bytes:
        with suppress(BlockingIOError):
            return os.read(self.log, 1 << 20)
        return b""

    async def metrics(self) -> dict[str, float]:
        """Return the samples that are no times."""
        async with self.session.get(f"{self.url}/metrics") as response:
            text = await response.text()
        text = _without_varying(text.encode()).decode()
        samples = (line.rpartition(" ") for line in text.splitlines() if not _OTHER_METRICS.search(line))
        return {name: float(value) for name, _, value in samples}

    async def _calls(self) -> list[Any]:
        async with self.session.get(f"{self.control}/calls") as response:
            return [call for call in await response.json() if call["source"] != "webhooks"]

    async def _received(self) -> None:
        """Wait until a source has received a call."""
        while not await self._calls():  # noqa: ASYNC110 - the sandbox sets no event
            await asyncio.sleep(0.002)

    async def _leave(self, sent: bytes, others: Sequence[bytes]) -> list[bytes]:
        """Send a request, and disconnect when a source has received its call and `others` wait for it too."""
        _, writer = await self._open()
        writer.write(sent)
        await self._received()
        waiting = [asyncio.ensure_future(self._exchange([other])) for other in others]
        for _ in range(_ITERATIONS):  # gateway and clients share this event loop: they go on, however long that takes
            await asyncio.sleep(0)
        writer.transport.abort()
        return [b"left", *await asyncio.gather(*waiting)]

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self.url)
        return await asyncio.open_connection(address.hostname, address.port)

    async def _exchange(self, sent: Sequence[bytes], pieces: int = 1) -> bytes:
        """Send requests one by one; return the responses as they were received."""
        reader, writer = await self._open()
        received = b""
        try:
            for message in sent:
                size = -(-len(message) // pieces)
                for at in range(0, len(message), size):
                    writer.write(message[at : at + size])
                    if pieces > 1:
                        await asyncio.sleep(0.001)
                response, last = await _response(reader, is_head=message.startswith(b"HEAD"))
                received += response
                if last:
                    break
        except ConnectionError:
            received += b"<reset>"
        finally:
            writer.transport.abort()
        return _without_varying(received)


async def _response(reader: asyncio.StreamReader, *, is_head: bool) -> tuple[bytes, bool]:
    """Read a response; return it, and whether the connection ends with it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial + b"<closed>", True
    fields = head.lower()
    length = re.search(rb"\r\ncontent-length: (\d+)", fields)
    last = b"\r\nconnection: close" in fields or fields.startswith(b"http/1.0")
    if is_head or fields.split(b" ")[1] in {b"204", b"304"}:
        return head, last
    if length:
        return head + await reader.readexactly(int(length[1])), last
    if b"\r\ntransfer-encoding: chunked" not in fields:
        return head + await reader.read(), True
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return head + body, last


def _without_varying(text: bytes) -> bytes:
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def _call(call: Any) -> Any:
    """Return a call without what is new in each."""
    kept: dict[str, Any] = json.loads(_without_varying(json.dumps(call, sort_keys=True).encode()))
    kept.pop("at", None)
    headers = kept.get("headers")
    if isinstance(headers, dict):
        kept["headers"] = {name: "*" if name.lower() in _PER_ATTEMPT else value for name, value in headers.items()}
    return kept


@asynccontextmanager
async def recorder(*, fast_path: str, **settings: Any) -> AsyncIterator[Recorder]:
    """Start a gateway in front of a sandbox, with or without fast paths; settings of a source are merged."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        stack.callback(os.close, reader)
        log = LogStream(stack.enter_context(os.fdopen(writer, "w")))
        sources: dict[str, Any] = {
            "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
            "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
            "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
        }
        sources = {name: source | {"rate_limit": 10_000} | settings.pop(name, {}) for name, source in sources.items()}
        common = {"log_format": "json", "cursor_secret": "0123456789abcdef0123456789abcdef", "fast_path": fast_path}
        common |= {"access_log_slow": 60}  # whether a request takes a second is chance
        server = await stack.enter_async_context(AsyncExitStack())
        configured = Settings(http_port=0, grpc_port=None, **common, **sources, **settings)
        addresses = await server.enter_async_context(serving(configured, log))
        session = await stack.enter_async_context(ClientSession())
        yield Recorder(addresses.http, sandbox.control_url, session, reader, server.aclose)


async def recorded(cases: Iterable[Case], *, fast_path: str, **settings: Any) -> dict[str, Any]:
    """Return what is seen of each case, by its name, and the metrics after all of them."""
    seen: dict[str, Any] = {}
    async with recorder(fast_path=fast_path, **settings) as world:
        for case in cases:
            assert case.name not in seen
            seen[case.name] = await world.observe(case)
        seen["metrics"] = await world.metrics()
    return seen
