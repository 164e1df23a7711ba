"""The step that measures attempts, and records them in the log of the operation."""

import asyncio
from contextlib import suppress

import orjson
import pytest

from gateway.calls import CallKind, CallList, current_calls
from gateway.operation import operation
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.timing import Timing
from gateway.users.kept.hits import Hits
from gateway.users.kept.records import KeptRecords
from gateway.users.model import UserSource


@pytest.mark.parametrize("written", [False, True])
async def test_cancelled(*, written: bool) -> None:
    """An attempt that is cancelled is a call if its first byte was written, also before it has ended."""
    calls = CallList()
    request = Request("account", "GET", "https://x/users/1", "/users/{id}")
    waiting = asyncio.Event()

    async def send(request: Request) -> Response:
        if written and request.on_write is not None:
            request.on_write()
        waiting.set()
        return await asyncio.get_running_loop().create_future()

    current_calls.set(calls)
    task = asyncio.ensure_future(Timing(lambda *_: None)(request, send))
    await waiting.wait()
    for _ in range(2):
        records = [(record.endpoint, record.status, record.kind) for record in calls.records]
        assert records == [(request.endpoint, "cancelled", CallKind.CALL)] * written
        task.cancel()
        await calls.settle()
    assert task.done()


@pytest.mark.parametrize(
    ("deadline", "seconds", "status"),
    [(2.0, 2.0, "SOURCE_TIMEOUT"), (0.5, 0.5, "cancelled"), (None, 2.0, "cancelled"), (9.0, 2.0, "cancelled")],
)
def test_a_call_that_hung_until_the_deadline(deadline: float | None, seconds: float, status: str) -> None:
    """It has timed out: a source that hangs fails, also where callers wait for it no longer than for some seconds."""
    now = 0.0
    statuses: list[str] = []

    async def send(_request: Request) -> Response:
        nonlocal now
        now = seconds
        raise asyncio.CancelledError

    async def call() -> None:
        timing = Timing(lambda _request, status, *_: statuses.append(status), clock=lambda: now)
        with operation(timeout=deadline, clock=lambda: now), suppress(asyncio.CancelledError):
            await timing(Request("account", "GET", "http://127.0.0.1/users", "/users"), send)

    asyncio.run(call())
    assert statuses == [status]


async def test_endpoint_of_kept_records() -> None:
    """The endpoint of a call is the same whether or not a record from there was given before, as after a change."""
    request = Request("account", "GET", "https://x/kept/1", "/kept/{id}")
    kept, calls = CallList(), CallList()
    Hits(KeptRecords()).fresh(UserSource.ACCOUNT, request.template, 1.0, None, kept)

    async def send(_request: Request) -> Response:
        return Response(200, {}, b"")

    current_calls.set(calls)
    await Timing(lambda *_: None)(request, send)
    [given], [made] = kept.records, calls.records
    assert given.endpoint == made.endpoint == request.endpoint
    assert orjson.dumps({made.endpoint.source: 1}) == b'{"account":1}'  # as the access log counts calls
