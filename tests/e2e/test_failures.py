"""The errors that a client gets, for requests that are not valid and for failures of sources."""

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
    """A request that is not valid results in an error that is never retryable, without a call."""
    async with world.session.post(f"{world.url}/graphql", data=BytesIO(body), headers=headers) as response:
        assert response.status == status
        errors = (await response.json(content_type=None))["errors"]
        assert response.headers["X-Request-ID"] == errors[0]["extensions"]["requestId"]
    codes = {
        b"nope": "GRAPHQL_VALIDATION_FAILED",
        b"{ user ": "GRAPHQL_PARSE_FAILED",
        b'"B"': "OPERATION_RESOLUTION_FAILURE",
    }
    expected = next((code for text, code in codes.items() if text in body), "BAD_USER_INPUT")
    assert {error["extensions"]["code"] for error in errors} == {expected}
    assert not any(error["extensions"]["retryable"] for error in errors)
    assert "Traceback" not in str(errors)
    assert await world.calls() == []


async def test_a_mutation_by_get_is_refused(world: Any) -> None:
    """A mutation by GET is refused with 405 and `Allow: POST`, and not executed."""
    async with world.session.get(f"{world.url}/graphql", params={"query": RENAME}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert await world.calls() == []


async def test_broken_rules_all_at_once(world: Any) -> None:
    """Each broken rule is a violation with the path in the variables, and the source is not called."""
    given = {"username": "a", "password": "short", "preferences": [{"notificationType": "INVOICE", "enabled": True}]}
    result = await world.graphql(
        "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }", {"input": given}
    )
    [error] = result["errors"]
    fields = [violation["field"] for violation in error["extensions"]["violations"]]
    assert (error["extensions"]["code"], fields) == ("BAD_USER_INPUT", ["input.username", "input.password"])
    assert await world.calls() == []


async def test_an_error_of_a_source_has_the_field_of_the_request(world: Any) -> None:
    """An e-mail address in use is a CONFLICT with its field, and the code and request id of the source."""
    taken = await world.data('{ user(id: "acus_gracehopper1", source: ACCOUNT) { email } }')
    result = await world.graphql(
        'mutation ($e: String) { updateAccountUser(id: "acus_adalovelace1", input: {email: $e}) { id } }',
        {"e": taken["user"]["email"]},
    )
    extensions = result["errors"][0]["extensions"]
    assert (extensions["code"], extensions["source"], extensions["sourceCode"]) == (
        "CONFLICT",
        "ACCOUNT",
        "resource_conflict",
    )
    assert extensions["violations"][0]["field"] == "input.email"
    assert extensions["sourceRequestId"].startswith("rq_")


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
async def test_a_read_that_fails(fresh: Any, fault: dict[str, Any], code: str, retryable: bool) -> None:  # noqa: FBT001 - a column of the table
    """A failed read is null with one error, which has no outcome."""
    world = await fresh()
    await world.fault(source="account", times=5, **fault)
    result = await world.graphql(USER)
    assert result["data"] == {"user": None}
    [error] = result["errors"]
    extensions = error["extensions"]
    assert (extensions["code"], extensions["retryable"], extensions["source"]) == (code, retryable, "ACCOUNT")
    assert "outcome" not in extensions
    assert extensions.get("retryAfter") == fault.get("retryAfter")


@pytest.mark.parametrize(
    ("fault", "code", "outcome"),
    [
        ({"kind": "status", "status": 500}, "SOURCE_UNAVAILABLE", "unknown"),
        ({"kind": "status", "status": 503}, "SOURCE_UNAVAILABLE", "unknown"),  # this source does not document it
        ({"kind": "status", "status": 501}, "SOURCE_UNAVAILABLE", None),
        ({"kind": "html"}, "SOURCE_INVALID_RESPONSE", "unknown"),
        ({"kind": "hangup-after"}, "SOURCE_UNAVAILABLE", "unknown"),
    ],
)
async def test_the_outcome_of_a_failed_change(
    fresh: Any, fault: dict[str, Any], code: str, outcome: str | None
) -> None:
    """A failed change has the outcome `unknown` only if the source may have executed it."""
    world = await fresh()
    await world.fault(source="softwareone", method="PUT", times=5, **fault)
    extensions = (await world.graphql(PUT))["errors"][0]["extensions"]
    assert (extensions["code"], extensions.get("outcome")) == (code, outcome)


async def test_the_http_client_does_not_repeat_a_put(fresh: Any) -> None:
    """Without retries a PUT is sent once, although aiohttp repeats one whose connection was closed."""
    world = await fresh(max_attempts=1)
    await world.fault(source="softwareone", method="PUT", kind="hangup-before", times=1)
    await world.graphql(PUT)
    assert len([call for call in await world.calls("softwareone") if call["method"] == "PUT"]) == 1


async def test_a_failed_lookup_fails_alone(fresh: Any) -> None:
    """If roles cannot be listed, the user is returned; the field of the lookup is null, with an error at its path."""
    world = await fresh()
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=5)
    result = await world.graphql(USER)
    assert result["data"]["user"]["name"]
    assert result["data"]["user"]["role"] == {"name": result["data"]["user"]["role"]["name"], "owner": None}
    [error] = result["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["user", "role", "owner"], "SOURCE_UNAVAILABLE")


@pytest.mark.parametrize("query", ['{ user(id: "nobody", source: ACCOUNT) { id } }', '{ node(id: "garbage") { id } }'])
async def test_a_missing_record(world: Any, query: str) -> None:
    """A record that does not exist is null, without an error."""
    assert list((await world.data(query)).values()) == [None]


async def test_a_source_that_is_not_configured(world: Any) -> None:
    """A read of a source without base URL and token is SOURCE_NOT_CONFIGURED, and the gateway runs."""
    with command("serve", "--allow-none", "--http-port", "0", "--grpc-port", "0", last="metrics") as running:
        body = {"query": '{ user(id: "x", source: RESELLER) { id } }'}
        async with world.session.post(running.address("GraphQL"), json=body) as response:
            errors = (await response.json())["errors"]
    assert errors[0]["extensions"]["code"] == "SOURCE_NOT_CONFIGURED"


async def test_a_source_that_is_unreachable(world: Any) -> None:
    """An unreachable source is SOURCE_UNAVAILABLE, and the error does not contain its address."""
    down = {"GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:1", "GATEWAY_ACCOUNT__TOKEN": "t"}
    with command("serve", "--http-port", "0", "--grpc-port", "0", last="metrics", **down) as running:
        async with world.session.post(running.address("GraphQL"), json={"query": RENAME}) as response:
            [error] = (await response.json())["errors"]
    assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
    assert "outcome" not in error["extensions"]
    assert "127.0.0.1" not in str(error)
