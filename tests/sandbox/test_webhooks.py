"""The webhooks of the reseller system, received by a server of the test's own."""

import asyncio
import json
import re
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import LANDMARKS, RESELLER_ID, RESELLER_TOKEN, WEBHOOK_TOKEN, Sandbox, SandboxOptions

ADA = f"/users/{LANDMARKS['reseller']['ada']}"
HEDY = f"/users/{LANDMARKS['reseller']['withoutOrganization']}"
NEW = {
    "firstName": "Lin",
    "email": "lin@example.com",
    "role": "user",
    "allowCustomerPortalAccess": True,
    "password": "12345678",
}


async def attempts(world: Any) -> list[tuple[str, int | None]]:
    """The deliveries in the call log: the event and how it was answered."""
    calls = (await world.control("GET", "/calls")).json
    return [(json.loads(call["body"])["event"], call["status"]) for call in calls if call["source"] == "webhooks"]


async def test_every_change_is_told_with_the_user_as_the_api_shows_it(told, receiver):
    """Create, update and delete make an event each: the user as answered, when it happened, signed over the bytes."""
    created = (await told.reseller("POST", "/users", json=NEW)).json
    one = f"/users/{created['id']}"
    updated = (await told.reseller("PATCH", one, json={"company": "Weavers"})).json
    assert (await told.reseller("DELETE", one)).status == 204
    events = await receiver.received(3)
    assert [(event["event"], event["data"]) for event in events] == [
        ("reseller.user.created", created),
        ("reseller.user.updated", updated),
        ("reseller.user.deleted", updated),
    ]
    assert all(set(event) == {"event", "data", "triggeredAt"} for event in events)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", events[0]["triggeredAt"])
    assert receiver.deliveries[0][0]["Content-Type"] == "application/json; charset=utf-8"
    assert receiver.genuine() == [True] * 3


async def test_what_is_refused_or_read_is_not_told(told, receiver):
    """Neither a read, nor a change that is refused or was never carried out, makes an event."""
    await told.reseller("GET", ADA)
    assert (await told.reseller("PATCH", ADA, json={"role": ""})).status == 400
    assert (await told.reseller("DELETE", "/users/nobody")).status == 404
    await told.fault(source="reseller", kind="status", method="PATCH")
    assert (await told.reseller("PATCH", ADA, json={"company": "A"})).status == 503
    await told.reseller("PATCH", ADA, json={"company": "B"})
    assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]


async def test_a_change_whose_answer_is_lost_is_told(told, receiver):
    """When the line is cut after a change, its caller learns nothing, and the receiver learns of it."""
    await told.fault(source="reseller", kind="hangup-after", method="PATCH")
    with pytest.raises(aiohttp.ClientConnectionError):
        await told.reseller("PATCH", ADA, json={"company": "Elsewhere"})
    assert (await receiver.received(1))[0]["data"]["company"] == "Elsewhere"


async def test_a_receiver_that_hangs_holds_up_nobody(told, receiver):
    """While a delivery waits for its answer, the API answers, and other users' events pass."""
    receiver.open.clear()
    for company in ("A", "B"):
        assert (await told.reseller("PATCH", ADA, json={"company": company})).status == 200
    assert (await told.reseller("PATCH", HEDY, json={"company": "C"})).status == 200
    assert {event["data"]["company"] for event in await receiver.received(2)} == {"A", "C"}
    receiver.open.set()
    assert (await receiver.received(3))[2]["data"]["company"] == "B"


async def test_a_delivery_that_is_not_taken_is_repeated_before_the_next(told, receiver):
    """Errors and redirects are retried; the user's next event waits, so that the order stays."""
    receiver.statuses = [500, 302, 401]
    for company in ("A", "B"):
        await told.reseller("PATCH", ADA, json={"company": company})
    events = await receiver.received(5)
    assert [event["data"]["company"] for event in events] == ["A", "A", "A", "A", "B"]
    assert receiver.deliveries[0][1] == receiver.deliveries[3][1]


async def test_after_five_retries_the_next_event_has_its_turn(told, receiver):
    """An event that is refused six times is given up; the call log shows each attempt with its answer."""
    receiver.statuses = [503] * 6
    await told.reseller("PATCH", ADA, json={"company": "A"})
    await told.reseller("DELETE", ADA)
    events = await receiver.received(7)
    assert [event["event"] for event in events] == ["reseller.user.updated"] * 6 + ["reseller.user.deleted"]
    log = await attempts(told)
    assert log[:6] == [("reseller.user.updated", 503)] * 6


async def test_the_address_may_come_later_and_be_nobodys(world, receiver):
    """Nothing is sent before there is an address; what nobody took at one is retried at the next."""
    await world.reseller("PATCH", ADA, json={"company": "A"})
    unused = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    world.sandbox.webhooks.send_to(f"http://127.0.0.1:{port}/", WEBHOOK_TOKEN)
    await world.reseller("PATCH", HEDY, json={"company": "B"})
    async with asyncio.timeout(10):
        while not await attempts(world):  # noqa: ASYNC110 - the call log sets no event
            await asyncio.sleep(0)
    world.sandbox.webhooks.send_to(receiver.url, WEBHOOK_TOKEN)
    assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]
    assert (await attempts(world))[0] == ("reseller.user.updated", None)


async def test_a_forged_delivery_is_followed_by_the_genuine_one(told, receiver):
    """A planned forgery is signed with another token; refused, it is retried with the right one."""
    await told.fault(source="webhooks", kind="forged", path=f"updated/{LANDMARKS['reseller']['ada']}$")
    receiver.statuses = [401]
    await told.reseller("PATCH", ADA, json={"company": "A"})
    await receiver.received(2)
    assert receiver.genuine() == [False, True]


async def test_a_late_delivery_is_passed_by_later_ones(told, receiver):
    """A planned delay lets the user's next event arrive first."""
    await told.fault(source="webhooks", kind="late", delay=0.2)
    for company in ("A", "B"):
        await told.reseller("PATCH", ADA, json={"company": company})
    assert [event["data"]["company"] for event in await receiver.received(2)] == ["B", "A"]


async def test_a_repeated_delivery_comes_twice_byte_for_byte(told, receiver):
    """A planned repetition sends the same bytes with the same signature again."""
    await told.fault(source="webhooks", kind="repeated", delay=0)
    await told.reseller("PATCH", ADA, json={"company": "A"})
    await receiver.received(2)
    assert receiver.deliveries[0][1] == receiver.deliveries[1][1]
    assert receiver.genuine() == [True, True]


async def test_a_lost_delivery_never_comes(told, receiver):
    """A planned loss is not sent; what happens next is."""
    await told.fault(source="webhooks", kind="lost")
    for company in ("A", "B"):
        await told.reseller("PATCH", ADA, json={"company": company})
    assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]


async def test_faults_of_webhooks_are_not_faults_of_calls(told):
    """A kind of trouble belongs to calls or to webhooks; the other way round it is refused with a sentence."""
    for fault in ({"source": "webhooks", "kind": "slow"}, {"source": "reseller", "kind": "forged"}):
        reply = await told.control("POST", "/faults", json=fault)
        assert reply.status == 400
        assert reply.json["error"].startswith("'kind' must be one of ")


async def test_stopping_drops_what_waits(receiver):
    """A sandbox stops while deliveries hang and wait, and leaves no task behind."""
    receiver.open.clear()
    headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        before = asyncio.all_tasks()
        async with Sandbox(SandboxOptions(webhook_url=receiver.url)) as sandbox:
            url = f"{sandbox.reseller_url}/v3/resellers/{RESELLER_ID}{ADA}"
            for company in ("A", "B"):
                async with session.patch(url, json={"company": company}) as response:
                    assert response.status == 200
            await receiver.received(1)
        assert not {task for task in asyncio.all_tasks() - before if "Webhooks" in repr(task)}
    assert len(receiver.deliveries) == 1


async def test_without_a_running_sandbox_there_is_nobody_to_tell():
    """Asking a sandbox that does not run for its webhooks is an error."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = Sandbox().webhooks
