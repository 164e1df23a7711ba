"""Input of a caller reaches a source as one value, and never changes the path, a header, the query or a command."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from security.outside import Caller, Control, RecordedProcess

HOSTILE = {
    "dots": "..",
    "a dot": ".",
    "escaped dots": "%2e%2e",
    "up and over": "../roles",
    "up, escaped": "..%2froles",
    "up, escaped twice": "..%252froles",
    "a backslash": "..\\roles",
    "a slash": "x/y",
    "a query": "x?limit=1",
    "a fragment": "x#y",
    "a matrix parameter": "x;y=1",
    "another host": "//evil.example/x",
    "a URL": "http://evil.example/x",
    "credentials": "x@evil.example",
    "CR and LF": "x\r\nX-Evil: 1",
    "LF": "x\nX-Evil: 1",
    "CR": "x\rX-Evil: 1",
    "NUL": "x\x00y",
    "a line separator": "x\u2028y",
    "an overlong dot": "\uff0e\uff0e",
    "a tab": "x\ty",
    "SQL": "x' OR '1'='1",
    "RQL": "x),eq(id,*",
    "a template": "{{7*7}}${7*7}",
}
PREFIXES = {"ACCOUNT": "/v1/identity/", "SOFTWAREONE": "/public/v1/", "RESELLER": "/v3/"}
EVIL = "X-Evil"


@pytest.fixture
async def execute(control: Control, development: RecordedProcess, caller_of: Callable[..., Caller]) -> Any:
    """A function that sends an operation and returns its response and the calls that it caused."""
    caller = caller_of(development)

    async def send(query: str, **variables: Any) -> tuple[Any, list[dict[str, Any]]]:
        await control.reset()
        body = await caller.execute(query, **variables)
        return body, await control.calls()

    return send


@pytest.mark.parametrize("source", PREFIXES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_an_id(execute: Any, source: str, text: str) -> None:
    """A hostile id is refused, or stays one segment of the path; no user is found and no other error occurs."""
    query = "query ($id: ID!, $source: UserSource) { user(id: $id, source: $source) { id } }"
    body, calls = await execute(query, id=text, source=source)
    for call in calls:
        *head, last = call["path"].split("/")
        assert unquote(last) == text
        assert head[-1] in {"account-users", "users"}
        assert not call["query"] or text not in call["query"]
        assert EVIL.lower() not in {name.lower() for name in call["headers"]}
    assert (body["data"] or {}).get("user") is None
    assert _codes(body) == (set() if calls else {"BAD_USER_INPUT"})


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_the_target_of_a_change(execute: Any, text: str) -> None:
    """A change of a hostile id, or for such a reseller, is refused and changes nothing."""
    mutation = (
        'mutation ($id: ID!, $to: ID) { updateResellerUser(id: $id, resellerId: $to, input: {company: "x"}) { id } }'
    )
    for variables in ({"id": text}, {"id": "x", "to": text}):
        body, calls = await execute(mutation, **variables)
        assert body["data"] in (None, {"updateResellerUser": None})
        assert _codes(body) <= {"BAD_USER_INPUT", "NOT_FOUND", "SOURCE_CREDENTIALS"}
        for call in calls:
            parts = [unquote(part) for part in call["path"].split("/")]
            assert text in parts
            assert "users" in parts
            assert EVIL.lower() not in {name.lower() for name in call["headers"]}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_a_search(execute: Any, text: str) -> None:
    """A search text and an e-mail address are sent as one value of the query and add no parameter."""
    listed = "query ($f: UserFilter) { users(filter: $f) { nodes { id } unavailable { code } } }"
    for user_filter in ({"search": text}, {"email": text}):
        body, calls = await execute(listed, f=user_filter)
        assert _codes(body) <= {"BAD_USER_INPUT"}
        for call in calls:
            assert call["path"].rpartition("/")[2] in {"account-users", "users"}
            assert call["query"].count("limit=") <= 1
            assert "\n" not in call["query"]
            assert "#" not in call["query"]
            assert EVIL.lower() not in {name.lower() for name in call["headers"]}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_an_idempotency_key(execute: Any, text: str) -> None:
    """An idempotency key is never sent unchanged, so none adds a header or reaches the record of another caller."""
    query = (
        "mutation ($k: String) "
        '{ updateAccountUser(id: "acus_gracehopper1", idempotencyKey: $k, input: {name: "Grace Hopper"}) { id } }'
    )
    body, calls = await execute(query, k=text)
    assert _codes(body) <= {"BAD_USER_INPUT"}
    for call in calls:
        headers = {name.lower(): value for name, value in call["headers"].items()}
        assert EVIL.lower() not in headers
        assert text not in headers.get("idempotency-key", "")


@pytest.mark.parametrize("sent", ["x;y", 'x" y', "<script>", "x" * 200, "é"])
async def test_a_request_id(development: RecordedProcess, caller_of: Callable[..., Caller], sent: str) -> None:
    """A request id with unusual characters is replaced by a generated one."""
    _, _, headers = await caller_of(development).send({"query": "{ __typename }"}, **{"X-Request-ID": sent})
    assert len(headers["X-Request-ID"]) == 32
    _, _, headers = await caller_of(development).send({"query": "{ __typename }"}, **{"X-Request-ID": "mine-1"})
    assert headers["X-Request-ID"] == "mine-1"


async def test_a_cursor_that_a_client_made(execute: Any) -> None:
    """A cursor that the gateway did not sign is refused before any call is made."""
    for text in HOSTILE.values():
        body, calls = await execute("query ($a: String) { users(after: $a) { nodes { id } } }", a=text)
        assert (_codes(body), calls) == ({"BAD_USER_INPUT"}, [])


def _codes(body: Any) -> set[str]:
    return {error["extensions"]["code"] for error in body.get("errors", ())}
