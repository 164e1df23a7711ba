"""Requests are freed as soon as they are answered, without a garbage collection: one can have up to 1 MiB."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway import Gateway, Settings
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.sandbox import RESELLER_ID
from gateway.telemetry.report import RequestReport

OPERATIONS = {
    "data": ("query ($v: ID!) { node(id: $v) { id } }", "x"),
    "no such field": ("query ($v: ID!) { nothing(id: $v) { id } }", "x"),
    "no document": ("query ($v: ID!) {", "x"),
    "too many values": ("query ($v: [ID!]!) { nodes(ids: $v) { id } }", ["x"] * 5000),
    "a variable of another type": ("query ($v: Int!) { users(first: $v) { nodes { id } } }", "x"),
    "a value of another type in a list": ("query ($v: [ID!]!) { nodes(ids: $v) { id } }", ["x", None]),
    "a broken rule": ('mutation ($v: String) { updateResellerUser(id: "x", input: {company: $v}) { id } }', "x" * 300),
    "a source that is not available": ("query ($v: String!) { person(email: $v) { email } }", "a@b.example"),
    "a subscription": ("subscription ($v: ID!) { userChanged(ids: [$v]) { id } }", "x"),
    "parts": ("query ($v: ID!) { ... @defer { node(id: $v) { id } } }", "x"),
    "parts of a source that is not available": (
        "query ($v: String!) { ... @defer { person(email: $v) { email } } }",
        "a@b.example",
    ),
}


class Variables(dict[str, Any]):
    """Variables to which there can be a weak reference."""


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _execute(executor: Executor, request: GraphQLRequest, incoming: Incoming) -> None:
    try:
        answer = await executor.execute_incrementally(request, incoming)
    except RefusedError:
        return
    if not hasattr(answer, "payload"):
        async for _ in answer:
            pass


@pytest.mark.parametrize("name", OPERATIONS)
async def test_nothing_is_kept(name: str) -> None:
    """Whatever the result of an operation is, nothing refers to its variables after it."""
    text, value = OPERATIONS[name]
    reseller = {"base_url": "http://127.0.0.1:1", "token": "token", "reseller_id": RESELLER_ID, "max_attempts": 1}
    async with Gateway(Settings(reseller=reseller)) as gateway:
        executor = gateway._parts.executor
        assert executor is not None
        incoming = Incoming(gateway._parts.users, RequestReport(request_id="r"), timeout=5)
        await _execute(executor, GraphQLRequest(text, {"v": value}), incoming)
        with _no_collection():
            variables = Variables(v=value)
            kept = weakref.ref(variables)
            request = GraphQLRequest(text, variables)
            del variables
            await _execute(executor, request, incoming)
            del request
            await asyncio.sleep(0)
            assert kept() is None
