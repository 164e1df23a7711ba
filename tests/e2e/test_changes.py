"""The four changes: from the variables of a client to the request of the source."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import FormData

ACCOUNT = "acus_adalovelace1"
MARKETPLACE = "USR-0000-0001"
RESELLER = "00000000-0000-4000-8000-000000000001"

UPDATE_ACCOUNT = """
mutation ($id: ID!, $input: UpdateAccountUserInput!, $key: String) {
  updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { id sourceId name role { name } department { name } }
}"""
UPDATE_MARKETPLACE = """
mutation ($id: ID!, $input: UpdateSoftwareOneUserInput!) {
  updateSoftwareOneUser(id: $id, input: $input) {
    sourceId firstName settings { languageCode } currentAccount { sourceId }
  }
}"""
UPDATE_RESELLER = """
mutation ($id: ID!, $input: UpdateResellerUserInput!) {
  updateResellerUser(id: $id, input: $input) { sourceId company organization { name } }
}"""
CREATE = """
mutation ($input: CreateAccountUserInput!, $key: String) {
  createAccountUser(input: $input, idempotencyKey: $key) { id sourceId name email username role { type } }
}"""


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ({"name": "Ada"}, {"name": "Ada"}),
        ({"departmentId": None}, {"department_id": None}),
        ({"name": "Ada", "departmentId": "dp_returns00000"}, {"name": "Ada", "department_id": "dp_returns00000"}),
    ],
)
async def test_account_update_sends_what_was_given(world: Any, sent: Any, body: Any) -> None:
    """An absent field is not sent, null is sent as null, a value as that value."""
    data = await world.data(UPDATE_ACCOUNT, {"id": ACCOUNT, "input": sent})
    assert data["updateAccountUser"]["sourceId"] == ACCOUNT
    [call] = await world.calls()
    assert (call["method"], call["path"]) == ("PATCH", f"/v1/identity/account-users/{ACCOUNT}")
    assert json.loads(call["body"]) == body
    assert call["headers"]["openmrp-version"]
    assert call["headers"]["openmrp-account"]
    assert call["headers"]["idempotency-key"]


@pytest.mark.parametrize(
    ("query", "id_", "given"),
    [
        (UPDATE_ACCOUNT, ACCOUNT, {}),
        (UPDATE_MARKETPLACE, MARKETPLACE, {}),
        (UPDATE_MARKETPLACE, MARKETPLACE, {"settings": {}}),
        (UPDATE_RESELLER, RESELLER, {}),
    ],
)
async def test_an_empty_change(world: Any, query: str, id_: str, given: Any) -> None:
    """A change without a field is refused, and nothing is sent."""
    [error] = (await world.graphql(query, {"id": id_, "input": given}))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["violations"] == [
        {"field": "input", "message": "must contain at least one field to change", "rule": "minFields", "min": 1}
    ]
    assert await world.calls() == []


async def test_account_create(world: Any) -> None:
    """A scanning-station user is created from exactly the given fields, in one call."""
    given = {"username": "station-77", "password": "Passw0rd!", "departmentId": "dp_returns00000"}
    created = (await world.data(CREATE, {"input": given}))["createAccountUser"]
    assert (created["username"], created["role"]["type"]) == ("station-77", "SCANNER")
    [call] = await world.calls()
    assert call["method"] == "POST"
    assert json.loads(call["body"]) == {
        "username": "station-77",
        "password": "Passw0rd!",
        "department_id": "dp_returns00000",
    }


async def test_ids_may_be_global(world: Any) -> None:
    """Global ids are accepted in place of source ids, for the target and inside the input."""
    found = await world.data(
        'query ($id: ID!) { user(id: $id, source: ACCOUNT) { id } department(id: "dp_returns00000") { id } }',
        {"id": ACCOUNT},
    )
    await world.forget()
    changed = {"departmentId": found["department"]["id"]}
    await world.data(UPDATE_ACCOUNT, {"id": found["user"]["id"], "input": changed})
    [call] = await world.calls()
    assert call["path"].endswith(ACCOUNT)
    assert json.loads(call["body"]) == {"department_id": "dp_returns00000"}


async def test_one_key_for_two_users(world: Any) -> None:
    """Changes of two users with one key have different source keys, since the source would replay the first one."""
    document = """mutation ($key: String) {
      a: updateAccountUser(id: "acus_adalovelace1", input: {departmentId: null}, idempotencyKey: $key) { sourceId }
      b: updateAccountUser(id: "acus_gracehopper1", input: {departmentId: null}, idempotencyKey: $key) { sourceId }
    }"""
    data = await world.data(document, {"key": "one-for-both"})
    assert [data[name]["sourceId"] for name in "ab"] == ["acus_adalovelace1", "acus_gracehopper1"]
    first, second = await world.calls()
    assert first["headers"]["idempotency-key"] != second["headers"]["idempotency-key"]


async def test_a_key_used_again(world: Any) -> None:
    """With one key a change is executed once; another change with the key is a conflict."""
    twice = {"input": {"email": "once@example.com"}, "key": "create-once"}
    first, second = [(await world.data(CREATE, twice))["createAccountUser"] for _ in range(2)]
    assert first == second
    result = await world.graphql(CREATE, {"input": {"email": "other@example.com"}, "key": "create-once"})
    assert [error["extensions"]["code"] for error in result["errors"]] == ["IDEMPOTENCY_CONFLICT"]


async def test_the_key_of_the_header(world: Any) -> None:
    """An `Idempotency-Key` header results in a different key for each mutation field, the same when repeated."""
    document = """mutation {
      a: createAccountUser(input: {email: "header-a@example.com"}) { sourceId }
      b: createAccountUser(input: {email: "header-b@example.com"}) { sourceId }
    }"""
    first = await world.data(document, **{"Idempotency-Key": '"both"'})
    again = await world.data(document, **{"Idempotency-Key": "both"})
    assert first == again
    assert first["a"] != first["b"]


async def test_a_failed_change_beside_others(world: Any) -> None:
    """A failed change does not affect the other changes of its document."""
    result = await world.graphql(
        """mutation {
          good: updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada L."}) { name }
          bad: updateAccountUser(id: "acus_nobody", input: {name: "Nobody"}) { name }
        }"""
    )
    assert result["data"] == {"good": {"name": "Ada L."}, "bad": None}
    [error] = result["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["bad"], "NOT_FOUND")


async def test_marketplace_update_without_an_icon(world: Any) -> None:
    """The Marketplace gets one form part `user`, with exactly the given fields as JSON in camelCase."""
    sent = {"firstName": "Augusta", "phone": None, "settings": {"languageCode": "en-GB"}}
    changed = (await world.data(UPDATE_MARKETPLACE, {"id": MARKETPLACE, "input": sent}))["updateSoftwareOneUser"]
    assert changed["firstName"] == "Augusta"
    [call] = await world.calls()
    assert (call["method"], call["path"]) == ("PUT", f"/public/v1/accounts/users/{MARKETPLACE}")
    [part] = call["body"]
    assert (part["name"], part["contentType"], part["filename"]) == ("user", "application/json", None)
    assert json.loads(part["text"]) == sent


async def test_marketplace_update_with_an_icon(world: Any) -> None:
    """A file of a multipart request is sent as the part `icon`, with its name, type and bytes."""
    form = FormData()
    variables = {"id": MARKETPLACE, "input": {"lastName": "King", "icon": None}}
    form.add_field("operations", json.dumps({"query": UPDATE_MARKETPLACE, "variables": variables}))
    form.add_field("map", json.dumps({"0": ["variables.input.icon"]}))
    form.add_field("0", b"\x89PNG\r\n\x1a\nshort", filename="ada.png", content_type="image/png")
    headers = {"Apollo-Require-Preflight": "1"}
    async with world.session.post(f"{world.url}/graphql", data=form, headers=headers) as response:
        assert "errors" not in await response.json()
    [call] = await world.calls()
    icon, user = call["body"]
    assert (icon["name"], icon["filename"], icon["contentType"], icon["size"]) == ("icon", "ada.png", "image/png", 13)
    assert json.loads(user["text"]) == {"lastName": "King"}


async def test_marketplace_current_account(world: Any) -> None:
    """The current account is sent as a reference; an account of another user is BAD_USER_INPUT."""
    found = await world.data('query { user(id: "USR-0000-0001", source: SOFTWAREONE) { accounts { sourceId } } }')
    account = found["user"]["accounts"][0]["sourceId"]
    await world.forget()
    sent = {"currentAccountId": account}
    data = await world.data(UPDATE_MARKETPLACE, {"id": MARKETPLACE, "input": sent})
    assert data["updateSoftwareOneUser"]["currentAccount"] == {"sourceId": account}
    [call] = await world.calls()
    assert json.loads(call["body"][0]["text"]) == {"currentAccount": {"id": account}}
    result = await world.graphql(
        UPDATE_MARKETPLACE, {"id": MARKETPLACE, "input": {"currentAccountId": "ACC-9999-9999"}}
    )
    assert result["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_what_the_marketplace_leaves_out_is_read_when_selected(world: Any) -> None:
    """The Marketplace omits some fields after a change: they take one read if they are selected, and none if not."""
    change = 'mutation { updateSoftwareOneUser(id: "USR-0000-0001", input: {lastName: "King"}) { %s } }'
    for selected, methods in (("name", ["PUT"]), ("name createdAt accounts { sourceId }", ["PUT", "GET"])):
        await world.forget()
        updated = (await world.data(change % selected))["updateSoftwareOneUser"]
        assert [call["method"] for call in await world.calls()] == methods
        assert None not in updated.values()
    assert updated["createdAt"]
    assert [account["sourceId"] for account in updated["accounts"]] == ["ACC-0000-0001", "ACC-0000-0002"]


async def test_an_event_has_what_the_marketplace_left_out(world: Any) -> None:
    """A subscriber that selects a field which the Marketplace omits after a change gets it."""
    query = "subscription { userChanged(sources: [SOFTWAREONE]) { user { lastName updatedAt accounts { name } } } }"
    headers = {"Accept": "text/event-stream"}
    async with world.session.post(f"{world.url}/graphql", json={"query": query}, headers=headers) as response:
        await response.content.readline()  # the first ping: the subscription has started
        change = 'mutation { updateSoftwareOneUser(id: "USR-0000-0001", input: {lastName: "Byron"}) { lastName } }'
        await world.data(change)
        async with asyncio.timeout(30):
            event = await anext(line async for line in response.content if line.startswith(b"data: "))
    user = json.loads(event.removeprefix(b"data: "))["data"]["userChanged"]["user"]
    assert user["lastName"] == "Byron"
    assert user["updatedAt"]
    assert len(user["accounts"]) == 2


async def test_reseller_update(world: Any) -> None:
    """The reseller gets exactly the given fields, by its names, below the path of the configured reseller."""
    sent = {"company": "Analytical Engines", "lastName": "", "allowCustomerPortalAccess": False}
    changed = (await world.data(UPDATE_RESELLER, {"id": RESELLER, "input": sent}))["updateResellerUser"]
    assert changed["company"] == "Analytical Engines"
    [call] = await world.calls()
    assert call["method"] == "PATCH"
    assert call["path"].endswith(f"/users/{RESELLER}")
    assert json.loads(call["body"]) == sent
