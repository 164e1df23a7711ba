"""Idempotency keys as callers know them: of one gateway, and of two that share a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from faults.conftest import Troubled
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
    """Who is asked first and who is asked again; behind both is the same sandbox."""

    first: Troubled
    again: Troubled

    async def calls(self) -> int:
        return len(await self.first.calls())


@pytest.fixture(params=["one", "two over redis"])
async def pair(request: pytest.FixtureRequest, troubled: Callable[..., Any]) -> AsyncIterator[Pair]:
    """One gateway with its records in memory, then two that share theirs."""
    times = {"timeout": 20, "try_timeout": 20}
    if request.param == "one":
        world = await troubled(every=times)
        yield Pair(world, world)
        return
    url = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    first = await troubled(every=times, redis_url=url)
    yield Pair(first, await troubled(every=times, redis_url=url, behind=first))


def given(source: str, value: str = "one@faults.example") -> dict[str, Any]:
    return {"v": value, "id": ADA[source]}


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """The extensions of the only error."""
    [error] = answer["errors"]
    return error["extensions"]


@each_mutation
async def test_the_first_answer_again(pair: Pair, query: str, source: str) -> None:
    """The same key with the same payload gives the first answer, marked, and costs no call."""
    first = await pair.first.graphql(query, given(source), **KEY)
    assert "extensions" not in first
    for _ in range(2):
        again = await pair.again.graphql(query, given(source), **KEY)
        assert again["data"] == first["data"]
        assert again["extensions"] == {"idempotency": {"replayed": list(first["data"])}}
    assert await pair.calls() == 1


@each_mutation
async def test_another_payload(pair: Pair, query: str, source: str) -> None:
    """The same key with another payload is refused, and nothing is sent."""
    await pair.first.graphql(query, given(source), **KEY)
    told = said(await pair.again.graphql(query, given(source, "two@faults.example"), **KEY))
    assert (told["code"], told["retryable"]) == ("IDEMPOTENCY_CONFLICT", False)
    assert await pair.calls() == 1


@each_mutation
async def test_at_the_same_time(pair: Pair, query: str, source: str) -> None:
    """Of many at once with one key one is carried out; the others are told that it runs, and when to come back."""
    await pair.first.fault(source=source, kind="slow", delay=0.5)
    both = (pair.first, pair.again)
    answers = await asyncio.gather(*(both[n % 2].graphql(query, given(source), **KEY) for n in range(10)))
    [done] = [answer for answer in answers if "errors" not in answer]
    for answer in answers:
        if answer is not done:
            told = said(answer)
            assert (told["code"], told["retryable"]) == ("IDEMPOTENCY_IN_PROGRESS", True)
            assert 0 < told["retryAfter"] <= 1
            assert "outcome" not in told
    assert (await pair.again.graphql(query, given(source), **KEY))["data"] == done["data"]
    assert await pair.calls() == 1


@each_mutation
async def test_another_target_is_another_change(pair: Pair, query: str, source: str) -> None:
    """One key for two mutations, or for two users, is two changes: each is carried out."""
    await pair.first.graphql(query, given(source), **KEY)
    other = ACCOUNT if query == CREATE else CREATE
    assert "errors" not in await pair.again.graphql(other, given("account", "other@faults.example"), **KEY)
    grace = {"v": "one@faults.example", "id": "acus_gracehopper1"}
    assert (await pair.again.graphql(ACCOUNT, grace, **KEY))["data"]["updateAccountUser"]["sourceId"] == grace["id"]
    assert await pair.calls() == 3


@each_mutation
@pytest.mark.parametrize("kind", [{"status": 503, "times": 3}, {"status": 401}, {"status": 429, "retryAfter": 30}])
async def test_what_may_pass_is_not_kept(pair: Pair, query: str, source: str, kind: dict[str, Any]) -> None:
    """A failure that may pass, or that somebody can put right, is no answer: the key carries the change out later."""
    await pair.first.fault(source=source, kind="status", **kind)
    failed = await pair.first.graphql(query, given(source), **{**KEY, "X-Request-Timeout": "5"})
    assert failed["errors"]
    # A gateway that was told to wait waits; another one, or one asked of something else, does not.
    if "retryAfter" in kind and pair.first is pair.again:
        assert said(await pair.again.graphql(query, given(source), **{**KEY, "X-Request-Timeout": "5"}))["retryAfter"]
        return
    answer = await pair.again.graphql(query, given(source), **KEY)
    assert "errors" not in answer
    assert "extensions" not in answer


@each_mutation
async def test_an_unknown_outcome_is_settled_by_asking_again(pair: Pair, query: str, source: str) -> None:
    """A lost answer that no retry could settle is settled by the caller with the key."""
    pair.first.proxies[source].poison(Toxic.GARBAGE)
    told = said(await pair.first.graphql(query, given(source), **KEY))
    assert (told["code"], told["outcome"]) == ("SOURCE_INVALID_RESPONSE", "unknown")
    answer = await pair.again.graphql(query, given(source), **KEY)
    [record] = answer["data"].values()
    stored = await pair.first.stored(source, record["sourceId"])
    assert "one@faults.example" in stored.values()
    assert sum(one["user"]["email"] == "one@faults.example" for one in await pair.first.accounts()) == (query == CREATE)


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (ACCOUNT, {"v": "x", "id": "acus_nobody"}, "NOT_FOUND"),
        (MARKET, {"v": "x", "id": "USR-9999-9999"}, "NOT_FOUND"),
        (RESELLER, {"v": "x", "id": f"00000000-0000-4000-8000-{9:012}"}, "NOT_FOUND"),
        (CREATE, {"v": "ada.lovelace@example.com"}, "CONFLICT"),
    ],
)
async def test_a_refusal_is_kept(pair: Pair, query: str, variables: dict[str, Any], code: str) -> None:
    """A refusal is an answer: it is given again, with everything that the source said, and costs no call."""
    first = await pair.first.graphql(query, variables, **KEY)
    again = await pair.again.graphql(query, variables, **KEY)
    for answer in (first, again):
        said(answer).pop("requestId")
    assert said(first)["code"] == code
    assert again["errors"] == first["errors"]
    assert again["extensions"] == {"idempotency": {"replayed": list(first["data"])}}
    assert await pair.calls() == 1


async def test_one_header_for_several_mutations(pair: Pair) -> None:
    """Each mutation of a document has its own key from the header's; a failed one is tried again, the others not."""
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
    assert await pair.calls() == 4
