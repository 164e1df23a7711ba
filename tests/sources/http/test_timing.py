"""The step that measures attempts, and records them in the log of the operation."""

import asyncio

import pytest

from gateway.calls import CallKind, CallList, current_calls
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.timing import Timing


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
