"""Idempotency keys as callers use them: with one gateway, and with two replicas over a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from faults.conftest import FaultyWorld
from faults.toxic import Toxic
from redis.asyncio import Redis

ADA = {"account": "acus_adalovelace1", "softwareone": "USR-0000-0001", "reseller": f"00000000-0000-4000-8000-{1:012}"}
CREATE = "mutation ($v: String!) { createAccountUser(input: {email: $v}) { sourceId email } }"
ACCOUNT = "mutation ($v: String!, $id: ID!) { updateAccountUser(id: $id, input: {name: $v}) { sourceId name } }"
MARKET = "mutation ($v: String!, $id: ID!) { updateSoftwareOneUser(id: $id, input: {lastName: $v}) { sourceId name } }"
RESELLER = "mutation ($v: String!, $id: ID!) { updateResellerUser(id: $id, input: {company: $v}) { sourceId company } }"
KEY = {"Idempotency-Key": "the-key"}

each_mutation = pytest.mark.parametrize(
    ("query", "source"),
    [(CREATE, "account"), (ACCOUNT, "account"), (MARKET, "softwareone"), (RESELLER, "reseller")],
    ids=["create", "account", "softwareone", "reseller"],
)


@dataclass(frozen=True, slots=True)
class Pair:
    """The gateway for the first request and the one for repeated requests, over the same sandbox."""

    first: FaultyWorld
    again: FaultyWorld

    async def calls(self) -> int:
        return len(await self.first.calls())


@pytest.fixture(params=["one", "two over redis"])
async def pair(request: pytest.FixtureRequest, faulty_world: Callable[..., Any]) -> AsyncIterator[Pair]:
    """One gateway with records in memory, then two replicas with records in Redis."""
    times = {"timeout": 20, "try_timeout": 20}
    if request.param == "one":
        world = await faulty_world(every=times)
        yield Pair(world, world)
        return
    url = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    first = await faulty_world(every=times, redis_url=url)
    yield Pair(first, await faulty_world(every=times, redis_url=url, behind=first))


def variables(source: str, value: str = "one@faults.example") -> dict[str, Any]:
    return {"v": value, "id": ADA[source]}


def extensions(response: dict[str, Any]) -> dict[str, Any]:
    """Return the extensions of the only error."""
    [error] = response["errors"]
    return error["extensions"]


@each_mutation
async def test_replay(pair: Pair, query: str, source: str) -> None:
    """The same key with the same payload gets the first result, marked as a replay, without a call."""
    first = await pair.first.graphql(query, variables(source), **KEY)
    assert "extensions" not in first
    for _ in range(2):
        again = await pair.again.graphql(query, variables(source), **KEY)
        assert again["data"] == first["data"]
        assert again["extensions"] == {"idempotency": {"replayed": list(first["data"])}}
    assert await pair.calls() == 1


@each_mutation
async def test_another_payload(pair: Pair, query: str, source: str) -> None:
    """The same key with another payload is refused without a call."""
    await pair.first.graphql(query, variables(source), **KEY)
    error = extensions(await pair.again.graphql(query, variables(source, "two@faults.example"), **KEY))
    assert (error["code"], error["retryable"]) == ("IDEMPOTENCY_CONFLICT", False)
    assert await pair.calls() == 1


@each_mutation
async def test_at_the_same_time(pair: Pair, query: str, source: str) -> None:
    """Of many concurrent requests with one key one is executed; the others get a retry delay."""
    await pair.first.fault(source=source, kind="slow", delay=1)
    both = (pair.first, pair.again)
    responses = await asyncio.gather(*(both[n % 2].graphql(query, variables(source), **KEY) for n in range(10)))
    [done] = [response for response in responses if "errors" not in response]
    for response in responses:
        if response is not done:
            error = extensions(response)
            assert (error["code"], error["retryable"]) == ("IDEMPOTENCY_IN_PROGRESS", True)
            assert 0 < error["retryAfter"] <= 1
            assert "outcome" not in error
    assert (await pair.again.graphql(query, variables(source), **KEY))["data"] == done["data"]
    assert await pair.calls() == 1


@each_mutation
async def test_another_target_is_another_change(pair: Pair, query: str, source: str) -> None:
    """One key for two mutations, or for two users, identifies two changes: each is executed."""
    await pair.first.graphql(query, variables(source), **KEY)
    other = ACCOUNT if query == CREATE else CREATE
    assert "errors" not in await pair.again.graphql(other, variables("account", "other@faults.example"), **KEY)
    grace = {"v": "one@faults.example", "id": "acus_gracehopper1"}
    assert (await pair.again.graphql(ACCOUNT, grace, **KEY))["data"]["updateAccountUser"]["sourceId"] == grace["id"]
    assert await pair.calls() == 3


@each_mutation
@pytest.mark.parametrize("kind", [{"status": 503}, {"status": 401}, {"status": 429, "retryAfter": 30}])
async def test_transient_failures_are_not_stored(pair: Pair, query: str, source: str, kind: dict[str, Any]) -> None:
    """A failure that is transient, or that an operator can correct, is not stored: a repeated request is executed."""
    attempts = 3 if kind["status"] == 503 and source == "account" else 1  # the other sources have no keys
    await pair.first.fault(source=source, kind="status", times=attempts, **kind)
    failed = await pair.first.graphql(query, variables(source), **{**KEY, "X-Request-Timeout": "5"})
    assert failed["errors"]
    # Only the gateway that received the retry delay of the source waits for it.
    if "retryAfter" in kind and pair.first is pair.again:
        assert extensions(await pair.again.graphql(query, variables(source), **{**KEY, "X-Request-Timeout": "5"}))[
            "retryAfter"
        ]
        return
    response = await pair.again.graphql(query, variables(source), **KEY)
    assert "errors" not in response
    assert "extensions" not in response


@each_mutation
async def test_an_unknown_outcome_is_resolved_by_repeating(pair: Pair, query: str, source: str) -> None:
    """An unknown outcome that no retry could resolve is resolved by a repeated request with the key."""
    pair.first.proxies[source].poison(Toxic.GARBAGE)
    error = extensions(await pair.first.graphql(query, variables(source), **KEY))
    assert (error["code"], error["outcome"]) == ("SOURCE_INVALID_RESPONSE", "unknown")
    response = await pair.again.graphql(query, variables(source), **KEY)
    [record] = response["data"].values()
    stored = await pair.first.stored(source, record["sourceId"])
    assert "one@faults.example" in stored.values()
    assert sum(user["user"]["email"] == "one@faults.example" for user in await pair.first.accounts()) == (
        query == CREATE
    )


@pytest.mark.parametrize(
    ("query", "arguments", "code"),
    [
        (ACCOUNT, {"v": "x", "id": "acus_nobody"}, "NOT_FOUND"),
        (MARKET, {"v": "x", "id": "USR-9999-9999"}, "NOT_FOUND"),
        (RESELLER, {"v": "x", "id": f"00000000-0000-4000-8000-{9:012}"}, "NOT_FOUND"),
        (CREATE, {"v": "ada.lovelace@example.com"}, "CONFLICT"),
    ],
)
async def test_a_refusal_is_stored(pair: Pair, query: str, arguments: dict[str, Any], code: str) -> None:
    """A refusal is a result: it is replayed, with all details of the source, without a call."""
    first = await pair.first.graphql(query, arguments, **KEY)
    again = await pair.again.graphql(query, arguments, **KEY)
    for response in (first, again):
        extensions(response).pop("requestId")
    assert extensions(first)["code"] == code
    assert again["errors"] == first["errors"]
    assert again["extensions"] == {"idempotency": {"replayed": list(first["data"])}}
    assert await pair.calls() == 1


async def test_one_header_for_several_mutations(pair: Pair) -> None:
    """Each mutation of a document gets a key from that of the header; only a failed one is executed again."""
    document = """mutation {
      a: createAccountUser(input: {email: "a@faults.example"}) { sourceId }
      b: updateSoftwareOneUser(id: "USR-0000-0001", input: {lastName: "B"}) { sourceId }
      c: createAccountUser(input: {email: "c@faults.example"}) { sourceId }
    }"""
    await pair.first.fault(source="softwareone", kind="status", status=500)
    first = await pair.first.graphql(document, **KEY)
    assert [error["path"] for error in first["errors"]] == [["b"]]
    again = await pair.again.graphql(document, **KEY)
    assert "errors" not in again
    assert again["data"] == first["data"] | {"b": {"sourceId": "USR-0000-0001"}}
    assert again["extensions"] == {"idempotency": {"replayed": ["a", "c"]}}
    assert await pair.calls() == 5  # the user is read before the second change is sent
