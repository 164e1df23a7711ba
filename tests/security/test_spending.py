"""What a caller may spend, and whose turn it is: from outside, by the headers that clients go by."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from security.outside import Caller, Control, Serve, until

USERS = "{ users(first: 20) { nodes { id } } }"
ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'


async def test_the_price(development: Any, at: Callable[..., Caller]) -> None:
    """Who asks for it is told what an operation cost, and who does not is told nothing."""
    caller = at(development)
    asked = {"query": USERS, "extensions": {"cost": True}}
    _, said, _ = await caller.send(asked)
    assert said["extensions"]["cost"]["requested"] == 30 + 1 + 20
    assert said["extensions"]["cost"]["limit"] == 20_000
    assert "extensions" not in await caller.ask(USERS)


async def test_the_rate_limit(serve: Serve, at: Callable[..., Caller]) -> None:
    """It counts cost, tells what is left, refuses by 429 with the time to wait, and never a free document."""
    with serve(GATEWAY_RATE_LIMIT__COST="200", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        caller = at(running)
        asked = {"query": USERS, "extensions": {"cost": True}}
        status, said, headers = await caller.send(asked)
        assert status == 200
        assert headers["RateLimit-Policy"] == '"default";q=200;w=600'
        left = said["extensions"]["cost"]["remaining"]
        assert left == 200 - 20 - 51  # a document that is read for the first time costs something too
        assert headers["RateLimit"].startswith(f'"default";r={left};t=')
        assert (await caller.send(asked))[0] == 200
        assert (await caller.send(asked))[0] == 200
        status, said, headers = await caller.send(asked)
        assert (status, said["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert 0 < int(headers["Retry-After"]) <= 600
        assert said["errors"][0]["extensions"]["retryAfter"] == pytest.approx(int(headers["Retry-After"]), abs=1)
        assert headers["RateLimit"].startswith('"default";r=')
        assert (await caller.send({"query": "{ __typename }"}))[0] == 200  # 27 were left, and reading it took 20
        assert (await caller.send({"query": "{ again: __typename }"}))[0] == 429
        assert (await caller.send({"query": "{ __typename }"}))[0] == 200  # it is known, and costs nothing


async def test_aliases_are_counted_one_by_one(serve: Serve, at: Callable[..., Caller]) -> None:
    """Many guesses in one request cost what they cost in many: aliases are no way round the rate limit."""
    guesses = " ".join(f'a{number}: person(email: "guess{number}@b.example") {{ email }}' for number in range(10))
    with serve(GATEWAY_RATE_LIMIT__COST="200", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        _, one, _ = await at(running).send(
            {"query": '{ person(email: "guess@b.example") { email } }', "extensions": {"cost": True}}
        )
        assert one["extensions"]["cost"]["requested"] == 31
        status, _, headers = await at(running).send({"query": f"{{ {guesses} }}"})
        assert (status, int(headers["Retry-After"]) > 0) == (429, True)


async def test_one_callers_spending(
    serve: Serve, production_settings: dict[str, str], at: Callable[..., Caller]
) -> None:
    """One caller's spending is none of another's."""
    with serve(**production_settings, GATEWAY_RATE_LIMIT__COST="100", GATEWAY_RATE_LIMIT__WINDOW="600") as running:
        assert [(await at(running, "reader").send({"query": USERS}))[0] for _ in range(3)] == [200, 429, 429]
        assert (await at(running, "all").send({"query": USERS}))[0] == 200


@pytest.mark.parametrize(("queue", "answered"), [("0", 1), ("2", 3)])
async def test_the_gate(serve: Serve, control: Control, at: Callable[..., Caller], queue: str, answered: int) -> None:
    """As many as the gate lets in, and the queue holds, are answered; the rest is a 503 that says when to come back."""
    gate = {"GATEWAY_GATE__AT_ONCE": "1", "GATEWAY_GATE__QUEUE": queue, "GATEWAY_GATE__PATIENCE": "10"}
    await control.forget()
    with serve(**gate) as running:
        await control.fault(source="account", kind="slow", delay=0.4, times=10)
        got = await asyncio.gather(*(at(running).send({"query": ADA}) for _ in range(6)))
        await control.forget()
        assert sorted(status for status, _, _ in got) == [200] * answered + [503] * (6 - answered)
        for status, said, headers in got:
            if status == 503:
                assert said["errors"][0]["extensions"]["code"] == "SOURCE_UNAVAILABLE"
                assert said["errors"][0]["extensions"]["retryable"] is True
                assert int(headers["Retry-After"]) >= 1
        assert (await at(running).send({"query": ADA}))[0] == 200  # the place is free again


async def test_the_gate_is_left_late(serve: Serve, control: Control, at: Callable[..., Caller]) -> None:
    """Who has waited as long as anybody may is refused though there was room in the queue."""
    gate = {"GATEWAY_GATE__AT_ONCE": "1", "GATEWAY_GATE__QUEUE": "5", "GATEWAY_GATE__PATIENCE": "0.2"}
    await control.forget()
    with serve(**gate) as running:
        await control.fault(source="account", kind="slow", delay=2)
        first = asyncio.ensure_future(at(running).send({"query": ADA}))
        await until(control.called)
        status, _, headers = await at(running).send({"query": ADA})
        assert (status, headers["Retry-After"]) == (503, "1")
        assert (await first)[0] == 200
    await control.forget()
