"""Changes that are repeated under their key after an unknown outcome, with one gateway and with two replicas."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from faults.conftest import FaultyWorld
from faults.distorting import Distortion, Lossy
from redis.asyncio import Redis

ADA = {"account": "acus_adalovelace1", "softwareone": "USR-0000-0001", "reseller": f"00000000-0000-4000-8000-{1:012}"}
CHANGE = {
    "account": "mutation ($v: String!, $id: ID!) { updateAccountUser(id: $id, input: {name: $v}) { name } }",
    "softwareone": "mutation ($v: String!, $id: ID!) { updateSoftwareOneUser(id: $id, input: {lastName: $v}) { id } }",
    "reseller": "mutation ($v: String!, $id: ID!) { updateResellerUser(id: $id, input: {company: $v}) { company } }",
}
PORTAL = "mutation ($id: ID!) { updateResellerUser(id: $id, input: {allowCustomerPortalAccess: true}) { company } }"
CREATE = "mutation ($v: String!) { createAccountUser(input: {email: $v}) { sourceId email } }"
WRITE = {"account": "PATCH", "softwareone": "PUT", "reseller": "PATCH"}
COLUMN = {"account": "name", "softwareone": "last_name", "reseller": "company"}
KEY = {"Idempotency-Key": "the-key"}
OTHER = {"Idempotency-Key": "another-key"}
EXECUTED = Distortion()
NOT_EXECUTED = Distortion(forwarded=False)
NO_KEY = Distortion(removed=frozenset({"idempotency-key"}))
"""Executed, and not stored under the key: the account source stores no response with such a status."""

without_keys = pytest.mark.parametrize("source", ["softwareone", "reseller"])


@dataclass(frozen=True, slots=True)
class Repeating:
    """The gateway of the first request and the one of repeated requests, and a proxy in front of one source."""

    first: FaultyWorld
    again: FaultyWorld
    proxy: Lossy
    source: str

    def variables(self, value: str) -> dict[str, Any]:
        return {"v": value, "id": ADA[self.source]}

    async def change(self, value: str, key: dict[str, str] = KEY, *, again: bool = False) -> Any:
        world = self.again if again else self.first
        return await world.graphql(CHANGE[self.source], self.variables(value), **key)

    async def stored(self) -> Any:
        stored = await self.first.stored(self.source, ADA[self.source])
        return stored.get("user", stored)[COLUMN[self.source]]


@pytest.fixture(params=["one", "two over redis"])
async def repeating(request: pytest.FixtureRequest, faulty_world: Callable[..., Any]) -> AsyncIterator[Any]:
    """Returns the gateways with the proxy in front of a source: with records in memory, then with two replicas."""
    async with AsyncExitStack() as stack:

        async def make(source: str) -> Repeating:
            settings: dict[str, Any] = {}
            if request.param != "one":
                settings["redis_url"] = request.getfixturevalue("redis_url")
                async with Redis.from_url(settings["redis_url"]) as redis:
                    await redis.flushdb()
            behind = await faulty_world()
            base = getattr(behind.sandbox, f"{source}_url")
            proxy = await stack.enter_async_context(Lossy(base).serve())
            settings |= {"behind": behind, source: {"base_url": proxy.url, "max_attempts": 1}}
            first = await faulty_world(**{**settings, source: dict(settings[source])})
            again = first if request.param == "one" else await faulty_world(**settings)
            return Repeating(first, again, proxy, source)

        yield make


def extensions(response: dict[str, Any]) -> dict[str, Any]:
    """Return the extensions of the only error, without the id of the request."""
    [error] = response["errors"]
    return {name: value for name, value in error["extensions"].items() if name != "requestId"}


async def fail_with_unknown_outcome(repeating: Repeating, value: str, distortion: Distortion) -> None:
    repeating.proxy.plan(WRITE[repeating.source], distortion)
    assert extensions(await repeating.change(value))["outcome"] == "unknown"


@without_keys
async def test_it_was_executed(repeating: Any, source: str) -> None:
    """A repeated change that the source had executed is found by reading, stored, and not sent again."""
    world = await repeating(source)
    await fail_with_unknown_outcome(world, "Wanted", EXECUTED)
    second = await world.change("Wanted", again=True)
    assert "errors" not in second
    assert "extensions" not in second
    third = await world.change("Wanted")
    assert third["data"] == second["data"]
    assert third["extensions"]["idempotency"]["replayed"]
    assert world.proxy.writes() == 1


@without_keys
async def test_somebody_else_changed_the_user(repeating: Any, source: str) -> None:
    """A repeated change does not undo what somebody else changed: it is a conflict that shows what is there."""
    world = await repeating(source)
    await fail_with_unknown_outcome(world, "First", EXECUTED)
    assert "errors" not in await world.change("Second", OTHER, again=True)
    refused = extensions(await world.change("First", again=True))
    assert (refused["code"], refused["retryable"], refused["outcome"]) == ("CONFLICT", False, "unknown")
    assert [violation["message"] for violation in refused["violations"]] == ['is now "Second"']
    assert extensions(await world.change("First")) == refused
    assert await world.stored() == "Second"
    assert world.proxy.writes() == 2


@without_keys
async def test_it_was_not_executed(repeating: Any, source: str) -> None:
    """A repeated change that was not executed is sent again, although somebody changed the user before it."""
    world = await repeating(source)
    assert "errors" not in await world.change("Before", OTHER)
    await fail_with_unknown_outcome(world, "Wanted", NOT_EXECUTED)
    assert "errors" not in await world.change("Wanted", again=True)
    assert await world.stored() == "Wanted"


@without_keys
async def test_it_cannot_be_read(repeating: Any, source: str) -> None:
    """While the user cannot be read, a repeated change is not sent, and its outcome stays unknown."""
    world = await repeating(source)
    await fail_with_unknown_outcome(world, "Wanted", NOT_EXECUTED)
    world.proxy.plan("GET", NOT_EXECUTED)
    assert extensions(await world.change("Wanted", again=True))["outcome"] == "unknown"
    assert world.proxy.writes() == 1
    assert "errors" not in await world.change("Wanted")
    assert await world.stored() == "Wanted"


@without_keys
async def test_confirmed_and_not_read_back(repeating: Any, source: str) -> None:
    """A change that the source confirmed is never sent again, although the user could not be read after it."""
    world = await repeating(source)
    world.proxy.plan(WRITE[source], Distortion(status=204, body=b""))
    world.proxy.plan("GET", NOT_EXECUTED, NOT_EXECUTED)
    for again in (False, True):
        assert extensions(await world.change("Wanted", again=again))["outcome"] == "unknown"
    # Also not where somebody else has changed the user since: this change was executed before that.
    assert "errors" not in await world.change("Later", OTHER)
    assert "errors" not in await world.change("Wanted")
    assert await world.stored() == "Later"
    assert world.proxy.writes() == 2


@pytest.mark.parametrize("executed", [True, False])
async def test_a_field_that_cannot_be_read(repeating: Any, *, executed: bool) -> None:
    """A repeated change of a field that no read returns is sent again only if the user was not changed at all."""
    world = await repeating("reseller")
    world.proxy.plan("PATCH", EXECUTED if executed else NOT_EXECUTED)
    variables = {"id": ADA["reseller"]}
    assert extensions(await world.first.graphql(PORTAL, variables, **KEY))["outcome"] == "unknown"
    second = await world.again.graphql(PORTAL, variables, **KEY)
    if executed:
        [violation] = extensions(second)["violations"]
        assert violation["field"] == "input.allowCustomerPortalAccess"
        assert world.proxy.writes() == 1
    else:
        assert "errors" not in second
        assert world.proxy.writes() == 2


async def test_a_creation_that_was_executed(repeating: Any) -> None:
    """A creation that is refused because its first execution succeeded has the new user as its result."""
    world = await repeating("account")
    world.proxy.plan("POST", NO_KEY)
    variables = {"v": "new@faults.example"}
    assert extensions(await world.first.graphql(CREATE, variables, **KEY))["outcome"] == "unknown"
    second = await world.again.graphql(CREATE, variables, **KEY)
    assert second["data"]["createAccountUser"]["email"] == "new@faults.example"
    assert (await world.first.graphql(CREATE, variables, **KEY))["data"] == second["data"]
    assert sum(user["user"]["email"] == "new@faults.example" for user in await world.first.accounts()) == 1
    assert world.proxy.writes() == 2


async def test_a_creation_of_a_user_that_existed(repeating: Any) -> None:
    """A creation that is refused because of a user who existed before it is a conflict, and that is its result."""
    world = await repeating("account")
    world.proxy.plan("POST", NOT_EXECUTED)
    variables = {"v": "ada.lovelace@example.com"}
    assert extensions(await world.first.graphql(CREATE, variables, **KEY))["outcome"] == "unknown"
    refused = extensions(await world.again.graphql(CREATE, variables, **KEY))
    assert refused["code"] == "CONFLICT"
    assert "outcome" not in refused
    assert extensions(await world.first.graphql(CREATE, variables, **KEY)) == refused
    assert world.proxy.writes() == 2


REFUSED = Distortion(
    forwarded=False,
    status=409,
    body=orjson.dumps({"error": {"code": "resource_conflict", "message": "Taken.", "type": "invalid_request_error"}}),
    headers={"Content-Type": "application/json"},
)


async def test_an_account_update_that_was_executed(repeating: Any) -> None:
    """An update that is refused although its first execution succeeded has the user as its result."""
    world = await repeating("account")
    await fail_with_unknown_outcome(world, "Wanted", NO_KEY)
    world.proxy.plan("PATCH", REFUSED)
    second = await world.change("Wanted", again=True)
    assert second["data"]["updateAccountUser"]["name"] == "Wanted"
    assert (await world.change("Wanted"))["extensions"]["idempotency"]["replayed"]
    assert world.proxy.writes() == 2


async def test_an_account_update_in_doubt(repeating: Any) -> None:
    """A refusal of an update that somebody else may have undone has an unknown outcome, and is no result."""
    world = await repeating("account")
    await fail_with_unknown_outcome(world, "First", NO_KEY)
    assert "errors" not in await world.change("Second", OTHER)
    world.proxy.plan("PATCH", REFUSED)
    refused = extensions(await world.change("First", again=True))
    assert (refused["code"], refused["outcome"]) == ("CONFLICT", "unknown")
    again = await world.change("First")  # it is not stored: the source is called again, which executes it
    assert "errors" not in again
    assert "extensions" not in again


async def test_an_account_update_that_was_not_executed(repeating: Any) -> None:
    """A refusal of an update of a user that nobody has changed since is the result of the update."""
    world = await repeating("account")
    await fail_with_unknown_outcome(world, "Wanted", NOT_EXECUTED)
    world.proxy.plan("PATCH", REFUSED)
    refused = extensions(await world.change("Wanted", again=True))
    assert refused["code"] == "CONFLICT"
    assert "outcome" not in refused
    assert extensions(await world.change("Wanted")) == refused
    assert world.proxy.writes() == 2
