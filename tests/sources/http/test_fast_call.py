"""The fast path of a pipeline: the same as the steps alone, whatever a source responds and whoever leaves."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from moved_time import UNLIMITED, MovedTime
from sources.http.steps.fakes import Log
from sources.raw import KEEP, KeepOpen, read_request

from gateway.calls import CallList, current_calls
from gateway.errors import GatewayError
from gateway.operation import Deadline, acting_as, current_deadline, operation
from gateway.principal import Principal
from gateway.sources.account.errors import account_error
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitSettings
from gateway.sources.http.exchange import Request, Response, TransportLimits, pipeline
from gateway.sources.http.fast_call import FastCalls
from gateway.sources.http.fast_pipeline import fast_pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.pacing import Pacing
from gateway.sources.http.retry import BudgetSettings, RetryBudget, RetrySettings
from gateway.sources.http.rotation import Rotation, TokenFile
from gateway.sources.http.steps import StepSettings, steps
from gateway.sources.http.timing import Timing
from gateway.users.model import UserSource


class Calls:
    """A pipeline with a lean transport, and all that it reports."""

    def __init__(self, url: str, *, fast: bool, total: float = 60.0, timeout: float = 120.0, **settings: Any) -> None:
        self.url = url
        self.log = Log()
        self.attempts: list[tuple[str, str]] = []
        self.records = CallList()
        self.budget = RetryBudget(BudgetSettings(per_second=0, max_saved=50, ratio=1.0))
        self.pacing = Pacing(Rate(1000, 1.0), observe=self.log)
        self.circuit = Circuit(CircuitSettings(min_calls=4, window=300.0), observe=self.log)
        self.transport = LeanTransport(TransportLimits(**UNLIMITED | {"total": total}))
        step_settings = StepSettings(timeout=timeout, retry=RetrySettings(first_wait=0.0), **settings)
        chosen = steps(
            step_settings, budget=self.budget, circuit=self.circuit, pacing=self.pacing, observe=self.log
        )  # fmt: skip
        timing = Timing(lambda request, status, *_: self.attempts.append((request.method, status)))
        self.send = (
            fast_pipeline(self.transport, chosen, timing) if fast else pipeline(self.transport, [*chosen, timing])
        )

    def request(
        self, method: str = "GET", path: str = "/users/1", body: bytes | None = None, **headers: str
    ) -> Request:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.url + path
        return Request("account", method, url, "/users/{id}", named, body, account_error, base_url=self.url)

    async def outcome(self, request: Request) -> object:
        """Return the response or the error of a call, as far as a caller can see it."""
        try:
            response = await self.send(request)
        except GatewayError as error:
            cause = error.failed_call and re.sub(r"within [0-9.e+]+ s", "", error.failed_call.cause)
            return type(error), error.message, error.outcome, error.retry_after, error.origin.http_status, cause
        return response.status, dict(response.headers), response.body

    @property
    def reported(self) -> object:
        """What the pipeline has counted and reported."""
        records = [(record.endpoint, record.status, record.kind) for record in self.records.records]
        return self.log.names, self.attempts, records, self.budget._calls, self.circuit.state, self.pacing.state.waiting

    def only_fast(self) -> None:
        """Let a call that does not take the fast path fail."""
        assert isinstance(self.send, FastCalls)

        async def refuse(_request: Request) -> Response:
            raise AssertionError("by the steps")

        self.send._by_steps = refuse


def reply(status: bytes, body: bytes = b"{}", *fields: bytes) -> KeepOpen:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields, b"", body]
    return KeepOpen(b"\r\n".join(lines))


UNAVAILABLE = reply(b"503 Later", b'{"error": {"code": "service_unavailable", "message": "Later."}}')
NO_SUCH = reply(b"404 No", b'{"error": {"code": "resource_not_found", "message": "No.", "request_id": "r"}}')
TRANSIENT = reply(b"409 Busy", b'{"error": {"code": "conflict", "message": "Busy.", "is_transient": true}}')
REPLIES: dict[str, list[Any]] = {
    "success": [KEEP],
    "no content": [KeepOpen(b"HTTP/1.1 204 No Content\r\n\r\n")],
    "not found": [NO_SUCH],
    "failed": [reply(b"500 Failed")],
    "failed once": [UNAVAILABLE, KEEP],
    "failed thrice": [UNAVAILABLE],
    "too many": [reply(b"429 Slower", b"{}", b"Retry-After: 0"), KEEP],
    "transient": [TRANSIENT, KEEP],
    "lost": [b"", KEEP],
    "cut": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", KEEP],
    "silent once": [None, KEEP],
    "silent": [None],
    "no HTTP": [b"hello", KEEP],
    "closing": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"],
    "redirect": [reply(b"302 Found", b"", b"Location: /")],
    "interim": [KeepOpen(b"HTTP/1.1 103 Early Hints\r\n\r\n" + KEEP)],
}
REQUESTS: dict[str, dict[str, Any]] = {
    "read": {},
    "keyed": {"method": "POST", "body": b"{}", "Idempotency_Key": "k"},
    "unkeyed": {"method": "PUT", "body": b"{}"},
    "bare": {"method": "DELETE"},
}


@pytest.mark.parametrize("requested", REQUESTS)
@pytest.mark.parametrize("name", REPLIES)
async def test_same_as_the_steps(raw: Any, moved_time: MovedTime, name: str, requested: str) -> None:
    """A caller, the source, metrics, the log and the budgets see the same of a call, whatever its source responds."""
    seen = []
    for fast in (True, False):
        server = await raw(KEEP, *REPLIES[name])
        server.on_silence = lambda: moved_time.move(2_000)
        calls = Calls(server.url, fast=fast, total=1_000, timeout=1e6)
        current_calls.set(calls.records)
        assert (await calls.send(calls.request())).status == 200
        outcome = await calls.outcome(calls.request(**REQUESTS[requested]))
        sent = [(head.replace(server.url[7:].encode(), b""), body) for head, body in server.requests]
        seen.append((outcome, sent, calls.reported))
        await calls.transport.aclose()
    assert seen[0] == seen[1]


async def test_a_credential_that_changes(raw: Any) -> None:
    """A call that is refused is sent again with a new token, and an error says nothing of the token, on both ways."""
    unauthorized = reply(b"401 No", b'{"error": {"code": "unauthorized", "message": "old is no key."}}')
    seen = []
    for fast in (True, False):
        server = await raw(KEEP, unauthorized, KEEP, KEEP, unauthorized, unauthorized)
        token = ["old"]
        rotation = Rotation(TokenFile(lambda current=token: current[0], lambda current=token: current.insert(0, "new")))
        calls = Calls(server.url, fast=fast, rotation=rotation)
        current_calls.set(calls.records)
        assert (await calls.send(calls.request())).status == 200
        outcomes = [await calls.outcome(calls.request(path=f"/users/{number}")) for number in range(3)]
        tokens = [re.findall(rb"Bearer (\w+)", head) for head, _ in server.requests]
        seen.append((outcomes, tokens, calls.reported))
        await calls.transport.aclose()
    assert seen[0] == seen[1]
    assert seen[0][1][:4] == [[b"old"], [b"old"], [b"new"], [b"new"]]


class HeldServer:
    """A server that responds when the test lets it: its requests, and the number of connections that clients closed."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[bytes, bytes]] = []
        self.closed = 0
        self._arrived = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.requests.append(await read_request(reader))
                self.writers.append(writer)
                self._arrived.set()
        self.closed += 1
        self._arrived.set()
        writer.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the requests or the closed connections fulfil a condition."""
        async with asyncio.timeout(30):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def respond(self, number: int, content: bytes = KEEP) -> None:
        """Respond to the request with this number, once it is there."""
        await self.until(lambda: len(self.requests) > number)
        self.writers[number].write(content)


@pytest.fixture
async def held() -> AsyncIterator[HeldServer]:
    held_server = HeldServer()
    server = await asyncio.start_server(held_server.serve, "127.0.0.1", 0)
    held_server.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield held_server
    server.close()
    for writer in held_server.writers:
        writer.close()
    await asyncio.sleep(0)


async def connected(held: HeldServer, **settings: Any) -> Calls:
    """Return calls to the server, of which the first one has opened a connection."""
    calls = Calls(held.url, fast=True, **settings)
    first = asyncio.ensure_future(calls.send(calls.request()))
    await held.respond(0)
    assert (await first).status == 200
    current_calls.set(calls.records)
    return calls


@pytest.mark.parametrize("late", [False, True])
async def test_the_first_caller_leaves(
    held: HeldServer,
    moved_time: MovedTime,
    late: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Its call goes on for those that have joined it, whether it is cancelled or late: there is no further call."""
    calls = await connected(held, total=1e6, timeout=1e6)

    async def first() -> Response:
        with operation(timeout=50 if late else None, calls=CallList()):
            return await calls.send(calls.request())

    tasks = [asyncio.ensure_future(first())]
    await held.until(lambda: len(held.requests) == 2)
    tasks += [asyncio.ensure_future(calls.send(calls.request())) for _ in range(2)]
    await asyncio.sleep(0)
    if late:
        await moved_time.expire(tasks[0])
    else:
        tasks[0].cancel()
    results = await asyncio.gather(tasks[0], return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError | GatewayError)
    await held.respond(1)
    assert [(await task).status for task in tasks[1:]] == [200, 200]
    assert len(held.requests) == 2
    assert calls.attempts == [("GET", "200")] * 2
    await calls.transport.aclose()


async def test_the_deadline_of_one_who_left(held: HeldServer, moved_time: MovedTime) -> None:
    """The deadline of a caller that has left does not end the call, for which others wait."""
    calls = await connected(held, total=1e6, timeout=1e6)

    async def first() -> Response:
        with operation(timeout=100, calls=CallList()):
            return await calls.send(calls.request())

    leaving = asyncio.ensure_future(first())
    await held.until(lambda: len(held.requests) == 2)
    second = asyncio.ensure_future(calls.outcome(calls.request()))
    await asyncio.sleep(0)
    leaving.cancel()
    moved_time.move(200)
    await asyncio.sleep(0.15)  # its deadline has passed, and the timer has fired
    await held.respond(1)
    assert await second == (200, {"content-length": "2"}, b"{}")
    assert calls.attempts == [("GET", "200")] * 2
    await calls.transport.aclose()


async def test_the_last_one_leaves_before_its_deadline(held: HeldServer, moved_time: MovedTime) -> None:
    """It is no evidence about the source, also if the deadline of the first caller, who has left, has passed."""
    calls = await connected(held, total=1e6, timeout=1e6)
    calls.circuit._settings = CircuitSettings(min_calls=1, ratio=0.1, hung_after=0.0)

    async def read(seconds: float) -> Response:
        with operation(timeout=seconds, calls=CallList()):
            return await calls.send(calls.request())

    first = asyncio.ensure_future(read(50))
    await held.until(lambda: len(held.requests) == 2)
    second = asyncio.ensure_future(read(5_000))
    await moved_time.expire(first)
    await asyncio.gather(first, return_exceptions=True)
    second.cancel()
    await held.until(lambda: held.closed == 1)
    assert calls.circuit.state == "closed"
    assert calls.attempts == [("GET", "200"), ("GET", "cancelled")]
    await calls.transport.aclose()


@pytest.mark.parametrize("late", [False, True])
async def test_the_response_of_one_who_left(held: HeldServer, late: bool) -> None:  # noqa: FBT001 - a table's column
    """A response that comes in the moment in which the first caller is cancelled is not lost for the others."""
    calls = await connected(held)
    first = asyncio.ensure_future(calls.send(calls.request()))
    await held.until(lambda: len(held.requests) == 2)
    second = asyncio.ensure_future(calls.send(calls.request()))
    await asyncio.sleep(0)
    connection = next(iter(next(iter(calls.transport._pools.values()))._open))
    if late:
        first.cancel()
        connection.data_received(KEEP)
    else:
        connection.data_received(KEEP)
        first.cancel()
    assert (await second).body == b"{}"
    assert len(held.requests) == 2
    await calls.transport.aclose()


async def test_all_leave(held: HeldServer) -> None:
    """When nobody waits any more, the connection is closed, and a later read makes a new call."""
    calls = await connected(held)
    tasks = [asyncio.ensure_future(calls.send(calls.request())) for _ in range(3)]
    await held.until(lambda: len(held.requests) == 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await held.until(lambda: held.closed == 1)
    later = asyncio.ensure_future(calls.send(calls.request()))
    await held.respond(2)
    assert (await later).status == 200
    assert calls.attempts == [("GET", "200"), ("GET", "cancelled"), ("GET", "200")]
    await calls.transport.aclose()


async def test_joining_a_failing_call(held: HeldServer) -> None:
    """Those that have joined share the retries of a call as well, and its failure; each gets its exception."""
    calls = await connected(held)
    tasks = [asyncio.ensure_future(calls.outcome(calls.request())) for _ in range(3)]
    await held.respond(1, UNAVAILABLE)
    await held.respond(2, NO_SUCH)
    results = await asyncio.gather(*tasks)
    assert len(held.requests) == 3
    assert [result[0] for result in results] == [404] * 3  # type: ignore[index] # a tuple
    assert calls.log.names == ["shared", "shared", "retry"]
    tasks = [asyncio.ensure_future(calls.outcome(calls.request())) for _ in range(2)]
    await held.respond(3, b"hello\r\n\r\n")
    results = await asyncio.gather(*tasks)
    assert results[0] == results[1]
    assert len(held.requests) == 4
    await calls.transport.aclose()


async def test_leaving_during_a_retry(held: HeldServer) -> None:
    """A call that has failed once goes on for the others too when its first caller leaves."""
    calls = await connected(held)
    first = asyncio.ensure_future(calls.send(calls.request()))
    await held.respond(1, UNAVAILABLE)
    await held.until(lambda: len(held.requests) == 3)
    second = asyncio.ensure_future(calls.send(calls.request()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await held.respond(2)
    assert (await second).status == 200
    assert len(held.requests) == 3
    await calls.transport.aclose()


async def test_not_shared(held: HeldServer) -> None:
    """Reads of several principals, or of several URLs, are several calls; so is one that begins after a change."""
    calls = await connected(held)
    tasks = []
    for name, path in (("a", "/users/1"), ("b", "/users/1"), ("a", "/users/2")):
        with acting_as(Principal(name)):
            tasks.append(asyncio.ensure_future(calls.send(calls.request(path=path))))
    await held.until(lambda: len(held.requests) == 4)
    change = asyncio.ensure_future(calls.send(calls.request("PUT", body=b"{}")))
    await held.respond(4)
    await change
    with acting_as(Principal("a")):
        tasks.append(asyncio.ensure_future(calls.send(calls.request())))
    await held.until(lambda: len(held.requests) == 6)
    for number in (1, 2, 3, 5):
        await held.respond(number)
    assert [(await task).status for task in tasks] == [200] * 4
    await calls.transport.aclose()


async def test_the_ordinary_call(held: HeldServer) -> None:
    """Reads and changes that succeed at once take the fast path, also with the credential of the caller."""
    forwarding = Forwarding(UserSource.ACCOUNT, ["X-Token"])
    calls = await connected(held, forwarding=forwarding)
    calls.only_fast()
    with acting_as(Principal("a", forwarded={UserSource.ACCOUNT: {"Authorization": "Bearer theirs"}})):
        for number, arguments in enumerate(REQUESTS.values(), 1):
            call = asyncio.ensure_future(calls.send(calls.request(**arguments, Authorization="Bearer ours")))
            await held.respond(number)
            assert (await call).status == 200
    assert all(b"Authorization: Bearer theirs\r\n" in head for head, _ in held.requests[1:])
    assert calls.budget._calls == 5
    await calls.transport.aclose()


async def test_the_deadline(held: HeldServer, moved_time: MovedTime) -> None:
    """A call ends at the deadline of its operation, and a change that was written has an unknown outcome then."""
    seen = []
    for fast in (True, False):
        held.requests.clear()
        held.writers.clear()
        calls = Calls(held.url, fast=fast, total=1e6, timeout=1e6)
        first = asyncio.ensure_future(calls.send(calls.request()))
        await held.respond(0)
        await first
        outcomes = []
        for arguments in REQUESTS.values():
            current_deadline.set(Deadline.after(50))
            sent = len(held.requests)
            calling = asyncio.ensure_future(calls.outcome(calls.request(**arguments)))
            await held.until(lambda sent=sent: len(held.requests) > sent)
            await moved_time.expire(calling)
            outcomes.append(await calling)
        current_deadline.set(None)
        seen.append((outcomes, calls.reported))
        await calls.transport.aclose()
    assert seen[0] == seen[1]
    assert "SourceTimeout" in str(seen[0])


@pytest.mark.parametrize("fast_path", [True, False])
async def test_turned_off(raw: Any, *, fast_path: bool) -> None:
    """Without the fast path, a connection has no reader for responses that arrive whole."""
    server = await raw(KEEP)
    transport = LeanTransport(TransportLimits(), fast_path=fast_path)
    assert (await transport.send(Request("account", "GET", f"{server.url}/users", "/users"))).body == b"{}"
    assert all((each._whole is not None) is fast_path for pool in transport._pools.values() for each in pool._open)
    await transport.aclose()
