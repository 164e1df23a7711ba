"""Webhooks of the reseller API, received by a server of the tests."""

import asyncio
import json
import re
import time
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from ports import refusing_port

from gateway.sandbox import LANDMARKS, RESELLER_ID, RESELLER_TOKEN, WEBHOOK_TOKEN, SandboxOptions, SandboxServer

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
    """Return the deliveries in the call log: the event and the status of the response."""
    calls = (await world.control("GET", "/calls")).json
    return [(json.loads(call["body"])["event"], call["status"]) for call in calls if call["source"] == "webhooks"]


async def attempted(world: Any, status: int | None) -> None:
    """Wait until the call log has a delivery with this status; until there is a response, that is None."""
    async with asyncio.timeout(30):
        while status not in [found for _, found in await attempts(world)]:  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0)


async def test_every_change_sends_a_webhook_with_the_user(webhook_world, receiver):
    """Create, update and delete send one webhook each, with the user, the time, and a signature over the bytes."""
    created = (await webhook_world.reseller("POST", "/users", json=NEW)).json
    user_path = f"/users/{created['id']}"
    updated = (await webhook_world.reseller("PATCH", user_path, json={"company": "Weavers"})).json
    assert (await webhook_world.reseller("DELETE", user_path)).status == 204
    events = await receiver.received(3)
    assert [(event["event"], event["data"]) for event in events] == [
        ("reseller.user.created", created),
        ("reseller.user.updated", updated),
        ("reseller.user.deleted", updated),
    ]
    assert all(set(event) == {"event", "data", "triggeredAt"} for event in events)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", events[0]["triggeredAt"])
    assert receiver.deliveries[0][0]["Content-Type"] == "application/json; charset=utf-8"
    assert receiver.signatures_valid() == [True] * 3


async def test_reads_and_refused_changes_send_no_webhook(webhook_world, receiver):
    """A read, a refused change and a change that was not executed send no webhook."""
    await webhook_world.reseller("GET", ADA)
    assert (await webhook_world.reseller("PATCH", ADA, json={"role": ""})).status == 400
    assert (await webhook_world.reseller("DELETE", "/users/nobody")).status == 404
    await webhook_world.fault(source="reseller", kind="status", method="PATCH")
    assert (await webhook_world.reseller("PATCH", ADA, json={"company": "A"})).status == 503
    await webhook_world.reseller("PATCH", ADA, json={"company": "B"})
    assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]


async def test_a_change_whose_response_is_lost_sends_a_webhook(webhook_world, receiver):
    """A change is sent to the receiver even if the connection is closed before the response."""
    await webhook_world.fault(source="reseller", kind="hangup-after", method="PATCH")
    with pytest.raises(aiohttp.ClientConnectionError):
        await webhook_world.reseller("PATCH", ADA, json={"company": "Elsewhere"})
    assert (await receiver.received(1))[0]["data"]["company"] == "Elsewhere"


async def test_a_receiver_that_hangs_delays_nothing_else(webhook_world, receiver):
    """While a delivery waits for its response, the API responds and events of other users are delivered."""
    receiver.may_respond.clear()
    for company in ("A", "B"):
        assert (await webhook_world.reseller("PATCH", ADA, json={"company": company})).status == 200
    assert (await webhook_world.reseller("PATCH", HEDY, json={"company": "C"})).status == 200
    assert {event["data"]["company"] for event in await receiver.received(2)} == {"A", "C"}
    receiver.may_respond.set()
    assert (await receiver.received(3))[2]["data"]["company"] == "B"


async def test_a_refused_delivery_is_repeated_before_the_next(webhook_world, receiver):
    """Errors and redirects are retried; the next event of the user waits, so that the order is kept."""
    receiver.statuses = [500, 302, 401]
    for company in ("A", "B"):
        await webhook_world.reseller("PATCH", ADA, json={"company": company})
    events = await receiver.received(5)
    assert [event["data"]["company"] for event in events] == ["A", "A", "A", "A", "B"]
    assert receiver.deliveries[0][1] == receiver.deliveries[3][1]


async def test_after_five_retries_the_next_event_is_sent(webhook_world, receiver):
    """An event that is refused six times is dropped; the call log has each attempt with its status."""
    receiver.statuses = [503] * 6
    await webhook_world.reseller("PATCH", ADA, json={"company": "A"})
    await webhook_world.reseller("DELETE", ADA)
    events = await receiver.received(7)
    assert [event["event"] for event in events] == ["reseller.user.updated"] * 6 + ["reseller.user.deleted"]
    log = await attempts(webhook_world)
    assert log[:6] == [("reseller.user.updated", 503)] * 6


async def test_the_receiver_can_be_set_later_and_replaced(world, receiver):
    """Nothing is sent before a receiver is set; a failed delivery is retried at the receiver that replaced it."""
    await world.reseller("PATCH", ADA, json={"company": "A"})
    with refusing_port() as port:
        world.sandbox.webhooks.send_to(f"http://127.0.0.1:{port}/", WEBHOOK_TOKEN)
        await world.reseller("PATCH", HEDY, json={"company": "B"})
        await attempted(world, None)
        world.sandbox.webhooks.send_to(receiver.url, WEBHOOK_TOKEN)
        assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]
    assert (await attempts(world))[0] == ("reseller.user.updated", None)


async def test_a_forged_delivery_is_followed_by_a_valid_one(webhook_world, receiver):
    """A forged webhook is signed with another token; when it is refused, the retry has the right signature."""
    await webhook_world.fault(source="webhooks", kind="forged", path=f"updated/{LANDMARKS['reseller']['ada']}$")
    receiver.statuses = [401]
    await webhook_world.reseller("PATCH", ADA, json={"company": "A"})
    await receiver.received(2)
    assert receiver.signatures_valid() == [False, True]


async def test_a_late_delivery_is_passed_by_later_ones(webhook_world, receiver, moved_time):
    """A late webhook arrives after the next event of the user."""
    await webhook_world.fault(source="webhooks", kind="late", delay=100)
    for company in ("A", "B"):
        await webhook_world.reseller("PATCH", ADA, json={"company": company})
    await attempted(webhook_world, 204)  # so that its time limit does not pass as well
    moved_time.move(100)
    assert [event["data"]["company"] for event in await receiver.received(2)] == ["B", "A"]


async def test_a_repeated_delivery_comes_twice_byte_for_byte(webhook_world, receiver):
    """A repeated webhook is sent twice with the same bytes and signature."""
    await webhook_world.fault(source="webhooks", kind="repeated", delay=0)
    await webhook_world.reseller("PATCH", ADA, json={"company": "A"})
    await receiver.received(2)
    assert receiver.deliveries[0][1] == receiver.deliveries[1][1]
    assert receiver.signatures_valid() == [True, True]


async def test_a_lost_delivery_never_comes(webhook_world, receiver):
    """A lost webhook is not sent; the next event is."""
    await webhook_world.fault(source="webhooks", kind="lost")
    for company in ("A", "B"):
        await webhook_world.reseller("PATCH", ADA, json={"company": company})
    assert [event["data"]["company"] for event in await receiver.received(1)] == ["B"]


async def test_a_webhook_of_another_reseller(webhook_world, receiver):
    """The control API sends any webhook, signed and with the time of sending unless another is given."""
    foreign = {"event": "reseller.user.updated", "data": {"id": "another"}}
    past = {"event": "reseller.updated", "data": None, "triggeredAt": "2020-01-01T00:00:00Z"}
    for webhook in (foreign, past):
        assert (await webhook_world.control("POST", "/webhooks", json=webhook)).status == 204
    first, second = sorted(await receiver.received(2), key=lambda body: body["event"], reverse=True)
    assert (first | {"triggeredAt": ""}, second) == (foreign | {"triggeredAt": ""}, past)
    assert abs(datetime.fromisoformat(first["triggeredAt"]).timestamp() - time.time()) < 60
    assert receiver.signatures_valid() == [True, True]
    for body in ([], {}, {"event": 5}):
        assert (await webhook_world.control("POST", "/webhooks", json=body)).status == 400
    assert (await webhook_world.control("POST", "/webhooks", data=b"no JSON")).status == 400


async def test_faults_of_webhooks_are_not_faults_of_calls(webhook_world):
    """Kinds of faults of requests are refused for webhooks, and the other way round."""
    for fault in ({"source": "webhooks", "kind": "slow"}, {"source": "reseller", "kind": "forged"}):
        response = await webhook_world.control("POST", "/faults", json=fault)
        assert response.status == 400
        assert response.json["error"].startswith("'kind' must be one of ")


async def test_stopping_drops_queued_events(receiver):
    """A sandbox stops while a delivery hangs and events are queued, and leaves no task behind."""
    receiver.may_respond.clear()
    headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        before = asyncio.all_tasks()
        async with SandboxServer(SandboxOptions(webhook_url=receiver.url)) as sandbox:
            url = f"{sandbox.reseller_url}/v3/resellers/{RESELLER_ID}{ADA}"
            for company in ("A", "B"):
                async with session.patch(url, json={"company": company}) as response:
                    assert response.status == 200
            await receiver.received(1)
        assert not {task for task in asyncio.all_tasks() - before if "Webhooks" in repr(task)}
    assert len(receiver.deliveries) == 1


async def test_a_stopped_sandbox_has_no_webhooks():
    """The webhooks of a sandbox that is not running raise an error."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = SandboxServer().webhooks
