"""Idempotency keys of the account API."""

import asyncio

from sandbox.conftest import start_worlds

from gateway.sandbox import LANDMARKS, SandboxOptions

USERS = "/v1/identity/account-users"
ADA, GRACE = LANDMARKS["account"]["ada"], LANDMARKS["account"]["grace"]
KEY = {"Idempotency-Key": "k-1"}


async def test_a_repeated_create_is_replayed(world):
    """The same key and body get the first response again, marked as a replay, and nothing is created twice."""
    first = await world.account("POST", USERS, json={"email": "x@example.com", "name": "X"}, headers=KEY)
    again = await world.account("POST", USERS, data=b'{"name":"X",  "email":"x@example.com"}', headers=KEY)
    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Request-ID"] != first.headers["Request-ID"]


async def test_another_body_or_query_under_the_same_key_is_refused(world):
    """A key with another body or another query is a 400."""
    await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=KEY)
    for target, body in ((f"{USERS}/{ADA}", {"name": "B"}), (f"{USERS}/{ADA}?include=role", {"name": "A"})):
        error = (await world.account("PATCH", target, json=body, headers=KEY)).json["error"]
        assert (error["code"], error["type"], error["is_transient"]) == (
            "validation_failed",
            "idempotency_error",
            False,
        )


async def test_the_hazard_one_key_for_two_users_replays_the_first(world):
    """With one key for two users the second stays unchanged, and the response has the first one."""
    body = {"role_id": "rl_planner00000"}
    await world.account("PATCH", f"{USERS}/{ADA}", json=body, headers=KEY)
    second = await world.account("PATCH", f"{USERS}/{GRACE}", json=body, headers=KEY)
    assert (second.status, second.json["id"]) == (200, ADA)
    assert (await world.control("GET", f"/state/account/users/{GRACE}")).json["role_id"] == "rl_newcomer0000"


async def test_errors_are_stored_unless_they_are_transient(world):
    """A 400 for a body is replayed; a 503 is not stored."""
    bad = await world.account("POST", USERS, json={"email": "no"}, headers=KEY)
    replay = await world.account("POST", USERS, json={"email": "no"}, headers=KEY)
    assert (replay.status, replay.text) == (400, bad.text)
    assert replay.headers["Idempotent-Replayed"] == "true"
    await world.fault(source="account", kind="status", status=503)
    key = {"Idempotency-Key": "k-2"}
    assert (await world.account("POST", USERS, json={"email": "y@example.com"}, headers=key)).status == 503
    assert (await world.account("POST", USERS, json={"email": "y@example.com"}, headers=key)).status == 201


async def test_a_key_in_use_is_a_conflict(world, moved_time):
    """While the first request runs, the same key is a transient 409; afterwards it is a replay."""
    await world.fault(source="account", kind="slow", delay=100)
    first = asyncio.create_task(world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=KEY))
    await world.received(1)
    second = await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=KEY)
    error = second.json["error"]
    assert (second.status, error["code"], error["is_transient"]) == (409, "idempotency_in_progress", True)
    moved_time.move(100)
    assert (await first).status == 200
    third = await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=KEY)
    assert third.headers["Idempotent-Replayed"] == "true"


async def test_put_and_get_ignore_the_key(world):
    """PUT ignores the key."""
    for _ in range(2):
        response = await world.account("PUT", f"{USERS}/{GRACE}/actions/disable", headers=KEY)
        assert "Idempotent-Replayed" not in response.headers


def test_a_request_whose_client_has_left_ends_with_the_sandbox(caplog):
    """It is cancelled while the sandbox still has its database, in which it releases its key."""

    async def leave() -> None:
        async for world in start_worlds(SandboxOptions(rate_limits=False, grace=0.01)):
            await world.fault(source="account", kind="slow", delay=60)
            change = asyncio.create_task(world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=KEY))
            await world.received(1)
            change.cancel()
            await asyncio.wait({change})

    asyncio.run(leave())  # which cancels what is left
    assert [record.getMessage() for record in caplog.records] == []
