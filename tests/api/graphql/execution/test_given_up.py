"""Executions that end before they are complete, as when the client closes its connection."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway import Gateway
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.telemetry.report import RequestReport
from gateway.testing import RecordingTransport, Sandbox

_USERS = "users(first: 9) { nodes { id role { name permissions } department { name } } }"
_DOCUMENTS = {
    "deferred": f"{{ __typename ... @defer {{ a: {_USERS} b: {_USERS} }} }}",
    "deferred in a list": "{ users(first: 9) { nodes { id ... @defer { role { name } department { name } } } } }",
    "compiled": f'{{ a: {_USERS} b: {_USERS} person(email: "a@b.example") {{ users {{ id }} }} }}',
    "in one part": f"{{ a: {_USERS} b: {_USERS} __schema {{ description }} }}",
}
_MAX_STEPS = 1000  # of the event loop; an execution has about 50


async def _execute(gateway: Gateway, text: str) -> None:
    executor = gateway._parts.executor
    assert executor is not None
    incoming = Incoming(gateway._parts.users, RequestReport(request_id="r"), timeout=5)
    answer = await executor.execute_incrementally(GraphQLRequest(text, {}), incoming)
    if not hasattr(answer, "payload"):
        async with aclosing(answer):
            async for _ in answer:
                pass


@pytest.fixture
async def replaying(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose calls are replayed, so that an execution has the same steps each time."""
    async with Sandbox() as sandbox:
        async with Gateway(sandbox.settings(), transport=RecordingTransport(tmp_path / "calls.json")) as gateway:
            for text in _DOCUMENTS.values():
                await _execute(gateway, text)
        async with Gateway(sandbox.settings(), transport=RecordingTransport(tmp_path / "calls.json")) as gateway:
            yield gateway


@pytest.mark.parametrize("name", _DOCUMENTS)
async def test_every_coroutine_ends(name: str, replaying: Gateway) -> None:
    """In whichever step an execution is given up, all its coroutines were started or are closed."""
    steps = 0
    complete = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while not complete:
            task = asyncio.create_task(_execute(replaying, _DOCUMENTS[name]))
            for _ in range(steps):
                await asyncio.sleep(0)
            complete = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            steps += 1
            assert steps < _MAX_STEPS
        gc.collect()
    assert not [str(each.message) for each in caught if "never awaited" in str(each.message)]
