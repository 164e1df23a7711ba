"""The four changes: from the message and the mask of a client to the request of the source."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from usergateway.v1 import users_pb2

ADA = "acus_adalovelace1"
MARKET = "USR-0000-0001"
RESELLER = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("user", "mask", "body"),
    [
        ({"name": "Ada"}, [], {"name": "Ada"}),
        ({"name": "Ada"}, ["name"], {"name": "Ada"}),
        ({}, ["department_id"], {"department_id": None}),
        ({"name": "Not sent"}, ["department_id"], {"department_id": None}),
        (
            {"name": "Ada", "department_id": "dp_returns00000"},
            ["department_id", "name", "role_id"],
            {"name": "Ada", "department_id": "dp_returns00000", "role_id": None},
        ),
    ],
)
async def test_three_states_reach_the_account_api(world: Any, user: Any, mask: list[str], body: Any) -> None:
    """A value is sent, a field in the mask without a value is null, other fields are absent; no mask: the values."""
    changed = await world.get("UpdateAccountUser", id=ADA, user=user, update_mask=FieldMask(paths=mask))
    assert changed.source_id == ADA
    [call] = await world.calls()
    assert (call["method"], call["path"]) == ("PATCH", f"/v1/identity/account-users/{ADA}")
    assert json.loads(call["body"]) == body


@pytest.mark.parametrize(
    ("user", "mask", "sent"),
    [
        (
            {"first_name": "Augusta", "settings": {"language_code": "en-GB"}},
            [],
            {"firstName": "Augusta", "settings": {"languageCode": "en-GB"}},
        ),
        (
            {"settings": {"language_code": "en-GB", "culture_code": "en-US"}},
            ["settings.language_code"],
            {"settings": {"languageCode": "en-GB"}},
        ),
        (
            {"settings": {"language_code": "en-GB"}},
            ["settings.*", "phone"],
            {"settings": {"languageCode": "en-GB", "cultureCode": None}, "phone": None},
        ),
        ({}, ["phone", "settings.culture_code"], {"phone": None, "settings": {"cultureCode": None}}),
        ({"phone": {"prefix": "+44", "number": "1"}}, ["phone"], {"phone": {"prefix": "+44", "number": "1"}}),
    ],
)
async def test_three_states_reach_the_marketplace(world: Any, user: Any, mask: list[str], sent: Any) -> None:
    """The Marketplace gets one JSON part with exactly the given fields; a mask can name a single setting."""
    await world.get("UpdateSoftwareOneUser", id=MARKET, user=user, update_mask=FieldMask(paths=mask))
    call, *_ = await world.calls()
    assert json.loads(call["body"][0]["text"]) == sent


async def test_what_the_marketplace_leaves_out(world: Any) -> None:
    """Fields that the Marketplace omits after a change are read if the mask has them, by one call."""
    whole = await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "King"})
    assert whole.created_at
    assert [call["method"] for call in await world.calls()] == ["PUT", "GET"]
    await world.forget()
    mask = FieldMask(paths=["last_name"])
    part = await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "Byron"}, read_mask=mask)
    assert part.last_name == "Byron"
    assert [call["method"] for call in await world.calls()] == ["PUT"]


@pytest.mark.parametrize(
    ("method", "id_", "user"),
    [
        ("UpdateAccountUser", ADA, {}),
        ("UpdateAccountUser", ADA, {"preferences": []}),
        ("UpdateSoftwareOneUser", MARKET, {}),
        ("UpdateSoftwareOneUser", MARKET, {"settings": {}}),
        ("UpdateResellerUser", RESELLER, {}),
    ],
)
async def test_an_empty_change(world: Any, method: str, id_: str, user: Any) -> None:
    """A change without a field and without a mask is refused, and nothing is sent."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.get(method, id=id_, user=user)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await world.calls() == []


async def test_an_icon(world: Any) -> None:
    """An icon is sent to the Marketplace as the part `icon`, with its name, type and bytes."""
    icon = {"content": b"\x89PNG\r\n\x1a\nshort", "filename": "ada.png", "content_type": "image/png"}
    await world.get("UpdateSoftwareOneUser", id=MARKET, user={"last_name": "King", "icon": icon})
    call, *_ = await world.calls()
    part, user = call["body"]
    assert (part["name"], part["filename"], part["contentType"], part["size"]) == ("icon", "ada.png", "image/png", 13)
    assert json.loads(user["text"]) == {"lastName": "King"}


@pytest.mark.parametrize(
    ("icon", "message"),
    [
        (
            {"content": b"\x89PNG\r\n\x1a\n" + b"x" * 93, "content_type": "image/png"},
            "must not be larger than 100 bytes",
        ),
        ({"content": b"%PDF", "content_type": "application/pdf"}, "must have one of the media types image/png"),
        ({"content": b"%PDF"}, "must have one of the media types image/png"),
        ({"content": b"<html>", "content_type": "image/png"}, "is not image/png"),
    ],
)
async def test_a_wrong_icon(open_world: Any, icon: dict[str, Any], message: str) -> None:
    """An icon that is too large, of another type, or not what its type states is a violation; nothing is sent."""
    async with open_world(softwareone={"icon_bytes": 100}) as world:
        failure = await world.fail("UpdateSoftwareOneUser", id=MARKET, user={"icon": icon})
        [(field, found)] = failure.violations
        assert (failure.reason, field, found.startswith(message)) == ("BAD_USER_INPUT", "user.icon", True)
        assert await world.calls() == []


async def test_reseller_update(world: Any) -> None:
    """The reseller gets exactly the given fields, also an empty text and false."""
    user = {"company": "Analytical Engines", "last_name": "", "allow_customer_portal_access": False}
    changed = await world.get("UpdateResellerUser", id=RESELLER, user=user)
    assert changed.company == "Analytical Engines"
    [call] = await world.calls()
    assert json.loads(call["body"]) == {
        "company": "Analytical Engines",
        "lastName": "",
        "allowCustomerPortalAccess": False,
    }
    refused = await world.fail("UpdateResellerUser", id=changed.id, user=user, reseller_id="another")
    assert [field for field, _ in refused.violations] == ["reseller_id"]


async def test_a_user_is_created(world: Any) -> None:
    """A user is created from exactly the given fields, in one call, whose response is returned."""
    given = {"username": "station-77", "password": "Passw0rd!", "department_id": "dp_returns00000"}
    created = await world.get("CreateAccountUser", user=given)
    assert (created.username, created.role.type) == ("station-77", users_pb2.ROLE_TYPE_SCANNER)
    [call] = await world.calls()
    assert (call["method"], json.loads(call["body"])) == ("POST", given)


async def test_a_change_with_lookups(world: Any) -> None:
    """After a change the lookups of the view are made; their failure does not fail the change."""
    whole = await world.get("UpdateAccountUser", id=ADA, user={"name": "Ada"}, view=users_pb2.VIEW_FULL)
    assert whole.role.permissions.nodes
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=9)
    mask = FieldMask(paths=["name", "role.permissions"])
    call = await world.call("UpdateAccountUser", id=ADA, user={"name": "A"}, read_mask=mask)
    assert call.message.name == "A"
    assert call.partial_errors == {"role.permissions": "SOURCE_UNAVAILABLE"}


async def test_a_bad_read_mask_changes_nothing(world: Any) -> None:
    """A read mask that is not valid is refused before the change is executed."""
    mask = FieldMask(paths=["nope"])
    failure = await world.fail("UpdateAccountUser", id=ADA, user={"name": "Ada"}, read_mask=mask)
    assert [field for field, _ in failure.violations] == ["read_mask.paths[0]"]
    assert await world.calls() == []


@pytest.mark.parametrize(
    ("method", "user", "mask", "violations"),
    [
        (
            "UpdateAccountUser",
            {"name": "Ada"},
            ["nope"],
            [("update_mask.paths[0]", "is not a field of this change")],
        ),
        (
            "UpdateAccountUser",
            {},
            ["name.first"],
            [("update_mask.paths[0]", "is not a field of this change")],
        ),
        (
            "UpdateSoftwareOneUser",
            {},
            ["settings.nope", "first_name", "icon..x", ""],
            [
                ("update_mask.paths[0]", "is not a field of this change"),
                ("update_mask.paths[2]", "is not a field of this change"),
                ("update_mask.paths[3]", "is not a field of this change"),
            ],
        ),
        (
            "UpdateAccountUser",
            {"preferences": [{"enabled": True}]},
            ["preferences.enabled"],
            [("update_mask.paths[0]", "is not a field of this change")],
        ),
        ("UpdateAccountUser", {}, ["name"], [("user.name", "must not be null")]),
        (
            "UpdateAccountUser",
            {"preferences": [{"notification_type": 1, "enabled": True}, {}]},
            [],
            [
                ("user.preferences[1].notification_type", "is required"),
                ("user.preferences[1].enabled", "is required"),
            ],
        ),
        ("UpdateSoftwareOneUser", {"phone": {"prefix": "+1"}}, [], [("user.phone.number", "is required")]),
        (
            "UpdateResellerUser",
            {"company": "C", "email": "not one"},
            ["*"],
            [
                ("user.first_name", "must not be null"),
                ("user.last_name", "must not be null"),
                ("user.email", "must be an e-mail address"),
                ("user.role", "must not be null"),
                ("user.organization_id", "must not be null"),
                ("user.allow_customer_portal_access", "must not be null"),
            ],
        ),
    ],
)
async def test_broken_rules(world: Any, method: str, user: Any, mask: list[str], violations: Any) -> None:
    """Each broken rule is a violation with the field name of the request, and the source is not called."""
    target = {"UpdateAccountUser": ADA, "UpdateSoftwareOneUser": MARKET, "UpdateResellerUser": RESELLER}[method]
    failure = await world.fail(method, id=target, user=user, update_mask=FieldMask(paths=mask))
    assert (failure.status.name, failure.reason) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    assert failure.violations == violations
    assert await world.calls() == []


@pytest.mark.parametrize(
    ("user", "mask", "field"),
    [
        ({"name": "Ada"}, ["name"] * 201, "update_mask"),
        ({"preferences": [{"notification_type": 1, "enabled": True}] * 201}, [], "user.preferences"),
        ({"preferences": [{"notification_type": 1, "enabled": True}] * 201}, ["preferences"], "user.preferences"),
    ],
)
async def test_too_many_items_in_a_change(world: Any, user: Any, mask: list[str], field: str) -> None:
    """A mask of more than 200 paths, or a list of more than 200 items, is one violation, and no source is called."""
    failure = await world.fail("UpdateAccountUser", id=ADA, user=user, update_mask=FieldMask(paths=mask))
    assert (failure.status.name, failure.reason) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    [(name, message)] = failure.violations
    assert (name, "200" in message) == (field, True)
    assert await world.calls() == []


async def test_the_maximum_of_paths(world: Any) -> None:
    """A mask of 200 paths is accepted."""
    changed = await world.get(
        "UpdateAccountUser", id=ADA, user={"name": "Ada"}, update_mask=FieldMask(paths=["name"] * 200)
    )
    assert changed.name == "Ada"


async def test_unknown_enum_values(world: Any) -> None:
    """An unknown number of an enum is reported together with the other broken rules of a change."""
    user = {"email": "x", "preferences": [{"notification_type": 9, "enabled": False}]}
    failure = await world.fail("UpdateAccountUser", id=ADA, user=user)
    assert [field for field, _ in failure.violations] == ["user.email", "user.preferences[0].notification_type"]


async def test_a_request_id_is_used_once(world: Any) -> None:
    """With one request_id a change is executed once and its result returned twice; another change is refused."""
    given = {"user": {"email": "once@example.com"}, "request_id": "6d3f2c0e-6a54-4c9f-8a53-0d9fb3b0a001"}
    first = await world.call("CreateAccountUser", **given)
    second = await world.call("CreateAccountUser", **given)
    assert first.message == second.message
    assert "idempotency-replayed" not in first.trailers
    assert second.trailers["idempotency-replayed"] == "true"
    assert len(await world.calls()) == 1
    failure = await world.fail("CreateAccountUser", user={"email": "other@example.com"}, request_id=given["request_id"])
    assert (failure.status.name, failure.reason) == ("FAILED_PRECONDITION", "IDEMPOTENCY_CONFLICT")


async def test_ids_may_be_global(world: Any) -> None:
    """Global ids are accepted in place of source ids, for the target and inside the change."""
    ada = await world.get("GetUser", id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)
    returns = await world.get("GetDepartment", id="dp_returns00000")
    await world.forget()
    await world.get("UpdateAccountUser", id=ada.id, user={"department_id": returns.id})
    [call] = await world.calls()
    assert json.loads(call["body"]) == {"department_id": "dp_returns00000"}
