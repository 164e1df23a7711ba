"""What a caller is told when something is wrong: with the request, with a source, or in between."""

from io import BytesIO
from typing import Any

import pytest
from conftest import command

USER = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name role { name owner { type } } } }'
RENAME = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { name } }'
PUT = 'mutation { updateSoftwareOneUser(id: "USR-0000-0001", input: {firstName: "Ada"}) { name } }'
JSON = {"Content-Type": "application/json"}
STRICT = JSON | {"Accept": "application/graphql-response+json"}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{not json", JSON, 400),
        (b"[]", JSON, 400),
        (b"7", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"query": 7}', JSON, 400),
        (b'{"query": "{ __typename }", "variables": []}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"x" * (1024 * 1024 + 1), JSON, 413),
        (b"{ __typename }", {"Content-Type": "text/plain"}, 415),
        (b'{"query": "{ __typename }"}', JSON | {"Accept": "image/png"}, 406),
        (b'{"query": "{ nope }"}', STRICT, 400),
        (b'{"query": "{ user "}', STRICT, 400),
        (b'{"query": "{ nope }"}', JSON, 200),
        (b'{"query": "query A { __typename }", "operationName": "B"}', STRICT, 400),
        (b'{"query": "query ($id: ID!) { user(id: $id) { id } }", "variables": {"id": {}}}', STRICT, 400),
    ],
)
async def test_bad_requests(world: Any, body: bytes, headers: dict[str, str], status: int) -> None:
    """Whatever is no request, or none that fits the schema, is answered with our code and costs no call."""
    async with world.session.post(f"{world.url}/graphql", data=BytesIO(body), headers=headers) as answer:
        assert answer.status == status
        errors = (await answer.json(content_type=None))["errors"]
        assert answer.headers["X-Request-ID"] == errors[0]["extensions"]["requestId"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
    assert "Traceback" not in str(errors)
    assert await world.calls() == []


async def test_a_mutation_by_get_is_refused(world: Any) -> None:
    """GET only reads: a mutation by GET is a 405 that names POST, and nothing is changed."""
    async with world.session.get(f"{world.url}/graphql", params={"query": RENAME}) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert await world.calls() == []


async def test_broken_rules_all_at_once(world: Any) -> None:
    """Every broken rule is a violation with the path that the client wrote, and the source is not asked."""
    given = {"username": "a", "password": "short", "preferences": [{"notificationType": "INVOICE", "enabled": True}]}
    answer = await world.graphql(
        "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }", {"input": given}
    )
    [error] = answer["errors"]
    fields = [one["field"] for one in error["extensions"]["violations"]]
    assert (error["extensions"]["code"], fields) == ("BAD_USER_INPUT", ["input.username", "input.password"])
    assert await world.calls() == []


async def test_the_sources_refusal_names_our_field(world: Any) -> None:
    """A taken e-mail is a CONFLICT with the field, the source's own code, words and request id."""
    taken = await world.data('{ user(id: "acus_gracehopper1", source: ACCOUNT) { email } }')
    answer = await world.graphql(
        'mutation ($e: String) { updateAccountUser(id: "acus_adalovelace1", input: {email: $e}) { id } }',
        {"e": taken["user"]["email"]},
    )
    said = answer["errors"][0]["extensions"]
    assert (said["code"], said["source"], said["sourceCode"]) == ("CONFLICT", "ACCOUNT", "resource_conflict")
    assert said["violations"][0]["field"] == "input.email"
    assert said["sourceRequestId"].startswith("rq_")


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        ({"kind": "status", "status": 401}, "SOURCE_CREDENTIALS", False),
        ({"kind": "status", "status": 403}, "SOURCE_CREDENTIALS", False),
        ({"kind": "status", "status": 429, "retryAfter": 3}, "RATE_LIMITED", True),
        ({"kind": "status", "status": 500}, "SOURCE_UNAVAILABLE", True),
        ({"kind": "status", "status": 503}, "SOURCE_UNAVAILABLE", True),
        ({"kind": "html"}, "SOURCE_INVALID_RESPONSE", False),
        ({"kind": "garbage"}, "SOURCE_INVALID_RESPONSE", False),
        ({"kind": "half-body"}, "SOURCE_UNAVAILABLE", True),
    ],
)
async def test_a_read_that_fails(fresh: Any, fault: dict[str, Any], code: str, retryable: bool) -> None:  # noqa: FBT001 - a table's column
    """A failing source is null and one error of our vocabulary, without an outcome: nothing was to be done."""
    world = await fresh()
    await world.fault(source="account", times=5, **fault)
    answer = await world.graphql(USER)
    assert answer["data"] == {"user": None}
    [error] = answer["errors"]
    said = error["extensions"]
    assert (said["code"], said["retryable"], said["source"]) == (code, retryable, "ACCOUNT")
    assert "outcome" not in said
    assert said.get("retryAfter") == fault.get("retryAfter")


@pytest.mark.parametrize(
    ("fault", "code", "outcome"),
    [
        ({"kind": "status", "status": 500}, "SOURCE_UNAVAILABLE", "unknown"),
        ({"kind": "status", "status": 503}, "SOURCE_UNAVAILABLE", None),
        ({"kind": "html"}, "SOURCE_INVALID_RESPONSE", "unknown"),
        ({"kind": "hangup-after"}, "SOURCE_UNAVAILABLE", "unknown"),
    ],
)
async def test_a_change_that_fails_says_what_is_known(
    fresh: Any, fault: dict[str, Any], code: str, outcome: str | None
) -> None:
    """A change that may have been carried out says so; one that was not taken on does not."""
    world = await fresh()
    await world.fault(source="softwareone", method="PUT", times=5, **fault)
    said = (await world.graphql(PUT))["errors"][0]["extensions"]
    assert (said["code"], said.get("outcome")) == (code, outcome)


async def test_a_dropped_put_is_not_sent_again_by_the_client(fresh: Any) -> None:
    """aiohttp repeats a PUT whose connection dropped; where no retry is allowed the source sees one."""
    world = await fresh(max_attempts=1)
    await world.fault(source="softwareone", method="PUT", kind="hangup-before", times=1)
    await world.graphql(PUT)
    assert len([call for call in await world.calls("softwareone") if call["method"] == "PUT"]) == 1


async def test_a_failed_lookup_fails_alone(fresh: Any) -> None:
    """When roles cannot be listed the user stands: the looked-up field is null, with its path and code."""
    world = await fresh()
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=5)
    answer = await world.graphql(USER)
    assert answer["data"]["user"]["name"]
    assert answer["data"]["user"]["role"] == {"name": answer["data"]["user"]["role"]["name"], "owner": None}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["user", "role", "owner"], "SOURCE_UNAVAILABLE")


@pytest.mark.parametrize("query", ['{ user(id: "nobody", source: ACCOUNT) { id } }', '{ node(id: "garbage") { id } }'])
async def test_nobody_there(world: Any, query: str) -> None:
    """A query for a record that does not exist is null, without an error."""
    assert list((await world.data(query)).values()) == [None]


async def test_a_system_that_is_not_configured(world: Any) -> None:
    """Asking for a system without base URL and token says so, and the others serve."""
    with command("serve", "--http-port", "0", "--grpc-port", "0", last="metrics") as running:
        sent = {"query": '{ user(id: "x", source: RESELLER) { id } }'}
        async with world.session.post(running.address("GraphQL"), json=sent) as answer:
            errors = (await answer.json())["errors"]
    assert errors[0]["extensions"]["code"] == "SOURCE_NOT_CONFIGURED"


async def test_a_source_that_is_down(world: Any) -> None:
    """A source that nobody listens for is SOURCE_UNAVAILABLE, and its address is not told."""
    down = {"GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:1", "GATEWAY_ACCOUNT__TOKEN": "t"}
    with command("serve", "--http-port", "0", "--grpc-port", "0", last="metrics", **down) as running:
        async with world.session.post(running.address("GraphQL"), json={"query": RENAME}) as answer:
            [error] = (await answer.json())["errors"]
    assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
    assert "outcome" not in error["extensions"]
    assert "127.0.0.1" not in str(error)
