"""Audit events of the account API."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from gateway.sandbox import LANDMARKS

USERS = "/v1/identity/account-users"
EVENTS = "/v1/core/audit-events"
ADA, GRACE, REMOVED = (LANDMARKS["account"][name] for name in ("ada", "grace", "removed"))


async def test_changes_are_recorded_newest_first(world):
    """Create, update, lock and remove are events with the actor, the request, and both values of each field."""
    headers = {"Idempotency-Key": "key-1", "User-Agent": "a test"}
    created = await world.account("POST", USERS, json={"email": "lin@example.com", "name": "Lin"}, headers=headers)
    user_path = f"{USERS}/{created.json['id']}"
    await world.account("PATCH", user_path, json={"name": "Lin W"})
    await world.account("PUT", f"{user_path}/actions/disable")
    await world.account("PUT", f"{user_path}/actions/remove")
    page = (await world.account("GET", f"{EVENTS}?include=actor,changes,request&resource_types=account_user")).json
    assert [event["action"] for event in page["data"]] == ["delete", "update", "update", "create"]
    assert {event["resource_id"] for event in page["data"]} == {created.json["id"]}
    created_event, renamed_event = page["data"][3], page["data"][2]
    assert (created_event["idempotency_key"], renamed_event["idempotency_key"]) == ("key-1", None)
    assert created_event["request"]["id"] == created.headers["Request-ID"]
    assert created_event["actor"]["type"] == "api_key"
    assert {change["field"]: change["new_value"] for change in created_event["changes"]["data"]} == {
        "name": "Lin",
        "email": "lin@example.com",
        "status": "active",
        "is_commission_eligible": False,
    }
    assert {change["old_value"] for change in created_event["changes"]["data"]} == {None}
    assert renamed_event["changes"]["data"] == [
        {"object": "audit_field_change", "field": "name", "old_value": "Lin", "new_value": "Lin W"}
    ]


async def test_what_changes_nothing_is_not_recorded(world):
    """A refused change, one without an effect, and a replayed response make no event."""
    await world.account("PATCH", f"{USERS}/{ADA}", json={"name": 1})
    await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "Ada Lovelace"})
    await world.account("PUT", f"{USERS}/{ADA}/actions/activate")
    assert (await world.account("GET", EVENTS)).json["data"] == []
    for _ in range(2):
        await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers={"Idempotency-Key": "k"})
    assert len((await world.account("GET", EVENTS)).json["data"]) == 1


async def test_creating_a_removed_user_again_is_an_update(world):
    """Restoring a user is an update of the status, and of the role, which the request does not name."""
    await world.account("POST", USERS, json={"email": "rosalind.franklin@example.com"})
    event = (await world.account("GET", f"{EVENTS}?include[]=changes")).json["data"][0]
    assert (event["action"], event["resource_id"]) == ("update", REMOVED)
    assert [change["field"] for change in event["changes"]["data"]] == ["status", "role_id"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (f"resource_ids={ADA}", 2),
        (f"resource_ids[]={ADA}&resource_ids[]={GRACE}", 3),
        ("actions=create,delete", 0),
        ("actions=update&resource_types=account_user", 3),
        ("resource_types=role", 0),
        ("actor_ids=apke_sandbox&actor_types=api_key", 3),
        ("actor_types=user", 0),
        (f"q={GRACE[:9]}", 1),
        ("root_resource_type=sales_order&root_resource_id=or_1", 0),
        ("root_resource_type=sales_order", 3),
        ("starts_at={past}&ends_at={future}", 3),
        ("starts_at={future}", 0),
        ("ends_at={past}", 0),
    ],
)
async def test_filters(world, query, count):
    """Each filter selects the right events, and all filters must hold."""
    for user, name in ((ADA, "A"), (GRACE, "G"), (ADA, "B")):
        await world.account("PATCH", f"{USERS}/{user}", json={"name": name})
    now = datetime.now(UTC)
    past, future = (quote((now + timedelta(hours=hours)).isoformat()) for hours in (-1, 1))
    response = await world.account("GET", f"{EVENTS}?{query.format(past=past, future=future)}")
    assert (response.status, len(response.json["data"])) == (200, count)


async def test_pages_follow_their_links(world):
    """Two pages have every event once, in order; GET by id returns the same event, without includes."""
    for name in "ABC":
        await world.account("PATCH", f"{USERS}/{ADA}", json={"name": name})
    first = (await world.account("GET", f"{EVENTS}?limit=2")).json
    second = (await world.account("GET", first["page_info"]["next_page_url"])).json
    events = first["data"] + second["data"]
    assert second["page_info"]["next_page_url"] is None
    assert len({event["id"] for event in events}) == 3
    times = [datetime.fromisoformat(event["occurred_at"]) for event in events]
    assert times == sorted(times, reverse=True)
    assert (await world.account("GET", f"{EVENTS}/{events[0]['id']}")).json == events[0]
    includable = {"account", "actor", "changes", "metadata", "request"}
    assert all(events[0][name] is None for name in includable)


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (f"{EVENTS}?actions=invent", 400, "parameter_invalid"),
        (f"{EVENTS}?starts_at=soon", 400, "parameter_invalid"),
        (f"{EVENTS}?start_date=2026-01-01T00:00:00Z", 400, "parameter_unknown"),
        (f"{EVENTS}?include=everything", 400, "parameter_invalid"),
        (f"{EVENTS}?sort=id", 400, "parameter_unknown"),
        (f"{EVENTS}/auev_nothing", 404, "resource_not_found"),
    ],
)
async def test_refusals(world, target, status, code):
    """An invalid query is a 400 as everywhere in this API, and an unknown event is a 404."""
    response = await world.account("GET", target)
    assert (response.status, response.json["error"]["code"]) == (status, code)


async def test_the_former_names_of_the_window(april_world):
    """A server of April 2026 knows the former names of the window only."""
    assert (await april_world.account("GET", f"{EVENTS}?start_date=2026-01-01T00:00:00Z")).status == 200
    refused = await april_world.account("GET", f"{EVENTS}?starts_at=2026-01-01T00:00:00Z")
    assert refused.json["error"]["code"] == "parameter_unknown"


async def test_later_previews_search_one_day(world):
    """From preview.5 a list without a start has the events of 24 hours, unless it names a record."""
    await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"})
    tomorrow = quote((datetime.now(UTC) + timedelta(hours=25)).isoformat())
    for preview, query, count in (
        (4, f"ends_at={tomorrow}", 1),
        (5, f"ends_at={tomorrow}", 0),
        (5, f"ends_at={tomorrow}&starts_at=1970-01-01T00:00:00Z", 1),
        (5, f"ends_at={tomorrow}&resource_ids={ADA}", 1),
        (5, "", 1),
    ):
        headers = {"OpenMRP-Version": f"1.0.forge-preview.{preview}"}
        events = (await world.account("GET", f"{EVENTS}?{query}", headers=headers)).json["data"]
        assert len(events) == count, (preview, query)
