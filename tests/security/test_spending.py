"""Cost, rate limit and gate, as clients observe them in responses and headers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from security.outside import Caller, Control, Serve, wait_until

USERS = "{ users(first: 20) { nodes { id } } }"
ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
_LONG = 50  # seconds


async def test_the_price(development: Any, caller_of: Callable[..., Caller]) -> None:
    """The cost of an operation is in the response only if it was requested."""
    caller = caller_of(development)
    payload = {"query": USERS, "extensions": {"cost": True}}
    _, body, _ = await caller.send(payload)
    assert body["extensions"]["cost"]["requested"] == 30 + 1 + 20
    assert body["extensions"]["cost"]["limit"] == 20_000
    assert "extensions" not in await caller.execute(USERS)


async def test_the_rate_limit(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """The rate limit counts cost, reports the remainder, refuses with 429 and Retry-After, never a free document."""
    with serve(GATEWAY_RATE_LIMIT__COST="200", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        caller = caller_of(running)
        payload = {"query": USERS, "extensions": {"cost": True}}
        status, body, headers = await caller.send(payload)
        assert status == 200
        assert headers["RateLimit-Policy"] == '"default";q=200;w=600'
        remaining = body["extensions"]["cost"]["remaining"]
        assert remaining == 200 - 20 - 51  # the first parsing of a document has a cost too
        assert headers["RateLimit"].startswith(f'"default";r={remaining};t=')
        assert (await caller.send(payload))[0] == 200
        assert (await caller.send(payload))[0] == 200
        status, body, headers = await caller.send(payload)
        assert (status, body["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert 0 < int(headers["Retry-After"]) <= 600
        assert body["errors"][0]["extensions"]["retryAfter"] == pytest.approx(int(headers["Retry-After"]), abs=1)
        assert headers["RateLimit"].startswith('"default";r=')
        assert (await caller.send({"query": "{ __typename }"}))[0] == 200  # 27 remained, and parsing it costs 20
        assert (await caller.send({"query": "{ again: __typename }"}))[0] == 429
        assert (await caller.send({"query": "{ __typename }"}))[0] == 200  # it is cached, and costs nothing


async def test_combinations_of_include(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """Each new combination of the variables in `@include` is charged like a new document, a repeated one is not."""
    names = [f"v{number}" for number in range(4)]
    definitions = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: __typename @include(if: ${name})" for name in names)
    query = f"query ({definitions}) {{ {fields} }}"
    with serve(GATEWAY_RATE_LIMIT__COST="1000", GATEWAY_RATE_LIMIT__WINDOW="86400") as running:
        caller = caller_of(running)

        async def remaining(number: int) -> int:
            variables = {name: bool(number & 1 << bit) for bit, name in enumerate(names)}
            payload = {"query": query, "variables": variables, "extensions": {"cost": True}}
            _, body, _ = await caller.send(payload)
            return int(body["extensions"]["cost"]["remaining"])

        assert await remaining(0) == 1000 - 2 * 20  # of the document, and of the first combination
        assert [await remaining(number) for number in (0, 1, 2, 1)] == [960, 940, 920, 920]
        for number in range(3, 12):
            await remaining(number)
        assert await remaining(11) == 740
        assert await remaining(0) == 720  # only the latest are kept


async def test_made_up_operation_names(serve: Serve, caller_of: Callable[..., Caller], tmp_path: Path) -> None:
    """A name that a document does not have costs nothing, trusted or not: the document is not parsed again."""
    text = "query Known { __typename }"
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"known": text}))
    for trust in ("off", "enforce"):
        settings = {"GATEWAY_DOCUMENTS__MANIFESTS": str(manifest), "GATEWAY_DOCUMENTS__TRUST": trust}
        with serve(**settings, GATEWAY_RATE_LIMIT__COST="100", GATEWAY_RATE_LIMIT__WINDOW="86400") as running:
            caller = caller_of(running)
            for number in range(30):
                status, body, _ = await caller.send({"query": text, "operationName": f"Made{number}"})
                assert (status, body["errors"][0]["message"]) == (400, "The document has no operation of that name.")
            assert (await caller.send({"query": text, "operationName": "Known"}))[0] == 200


async def test_aliases_are_counted_one_by_one(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """Aliases are charged one by one, so they do not circumvent the rate limit."""
    guesses = " ".join(f'a{number}: person(email: "guess{number}@b.example") {{ email }}' for number in range(10))
    with serve(GATEWAY_RATE_LIMIT__COST="200", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        _, single, _ = await caller_of(running).send(
            {"query": '{ person(email: "guess@b.example") { email } }', "extensions": {"cost": True}}
        )
        assert single["extensions"]["cost"]["requested"] == 31
        status, _, headers = await caller_of(running).send({"query": f"{{ {guesses} }}"})
        assert (status, int(headers["Retry-After"]) > 0) == (429, True)


async def test_one_callers_spending(
    serve: Serve, production_settings: dict[str, str], caller_of: Callable[..., Caller]
) -> None:
    """The allowance of a caller is independent of others."""
    with serve(**production_settings, GATEWAY_RATE_LIMIT__COST="100", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        assert [(await caller_of(running, "reader").send({"query": USERS}))[0] for _ in range(3)] == [200, 429, 429]
        assert (await caller_of(running, "all").send({"query": USERS}))[0] == 200


@asynccontextmanager
async def _busy(control: Control, caller: Caller) -> AsyncIterator[None]:
    """Execute an operation until the block ends and its client leaves: the source takes longer than the test."""
    await control.reset()
    await control.fault(source="account", kind="slow", delay=_LONG)
    operation = asyncio.create_task(caller.send({"query": ADA}))
    await wait_until(control.has_calls)
    try:
        yield
    finally:
        operation.cancel()
        await asyncio.wait([operation])
        await control.reset()


@pytest.mark.parametrize(("queue", "accepted"), [("0", 1), ("2", 3)])
async def test_the_gate(
    serve: Serve, control: Control, caller_of: Callable[..., Caller], queue: str, accepted: int
) -> None:
    """As many operations as the gate and the queue hold are executed; the others are a 503 with Retry-After."""
    gate = {"GATEWAY_GATE__AT_ONCE": "1", "GATEWAY_GATE__QUEUE": queue, "GATEWAY_GATE__PATIENCE": f"{_LONG}"}
    with serve(**gate, GATEWAY_ACCOUNT__TIMEOUT=f"{2 * _LONG}") as running:
        caller = caller_of(running)
        async with _busy(control, caller):
            waiting = {asyncio.create_task(caller.send({"query": ADA})) for _ in range(5)}
            refused: set[asyncio.Task[Any]] = set()
            async with asyncio.timeout(_LONG / 2):
                while len(refused) < 6 - accepted:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    refused |= done
        for status, body, headers in map(asyncio.Task.result, refused):
            assert status == 503
            assert body["errors"][0]["extensions"]["code"] == "SOURCE_UNAVAILABLE"
            assert body["errors"][0]["extensions"]["retryable"] is True
            assert int(headers["Retry-After"]) >= 1
        assert [(await each)[0] for each in waiting] == [200] * (accepted - 1)
        assert (await caller.send({"query": ADA}))[0] == 200  # the slot is free again


async def test_the_gate_is_left_late(serve: Serve, control: Control, caller_of: Callable[..., Caller]) -> None:
    """An operation that has waited for the maximum time is refused, even if the queue is not full."""
    gate = {"GATEWAY_GATE__AT_ONCE": "1", "GATEWAY_GATE__QUEUE": "5", "GATEWAY_GATE__PATIENCE": "0.2"}
    with serve(**gate, GATEWAY_ACCOUNT__TIMEOUT=f"{2 * _LONG}") as running:
        caller = caller_of(running)
        async with _busy(control, caller):
            status, _, headers = await caller.send({"query": ADA})
            assert (status, headers["Retry-After"]) == (503, "1")
        assert (await caller.send({"query": ADA}))[0] == 200
