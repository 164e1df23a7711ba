"""What a caller sends reaches a system as one value in its place: not as another path, header, query or command."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from security.outside import Caller, Control, Recorded

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
async def asked(control: Control, development: Recorded, at: Callable[..., Caller]) -> Any:
    """Sends an operation; its answer, and the calls that it caused."""
    caller = at(development)

    async def send(query: str, **variables: Any) -> tuple[Any, list[dict[str, Any]]]:
        await control.forget()
        said = await caller.ask(query, **variables)
        return said, await control.calls()

    return send


@pytest.mark.parametrize("source", PREFIXES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_an_id(asked: Any, source: str, text: str) -> None:
    """An id is refused, or stays one part of the path that it belongs to; nobody is found by it, nothing breaks."""
    query = "query ($id: ID!, $source: UserSource) { user(id: $id, source: $source) { id } }"
    said, calls = await asked(query, id=text, source=source)
    for call in calls:
        *head, last = call["path"].split("/")
        assert unquote(last) == text
        assert head[-1] in {"account-users", "users"}
        assert not call["query"] or text not in call["query"]
        assert EVIL.lower() not in {name.lower() for name in call["headers"]}
    assert (said["data"] or {}).get("user") is None
    assert _codes(said) == (set() if calls else {"BAD_USER_INPUT"})


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_the_target_of_a_change(asked: Any, text: str) -> None:
    """A change of such an id, or for such a reseller, changes nothing and is nothing worse than refused."""
    change = (
        'mutation ($id: ID!, $to: ID) { updateResellerUser(id: $id, resellerId: $to, input: {company: "x"}) { id } }'
    )
    for variables in ({"id": text}, {"id": "x", "to": text}):
        said, calls = await asked(change, **variables)
        assert said["data"] in (None, {"updateResellerUser": None})
        assert _codes(said) <= {"BAD_USER_INPUT", "NOT_FOUND", "SOURCE_CREDENTIALS"}
        for call in calls:
            parts = [unquote(part) for part in call["path"].split("/")]
            assert text in parts
            assert "users" in parts
            assert EVIL.lower() not in {name.lower() for name in call["headers"]}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_a_search(asked: Any, text: str) -> None:
    """Searched-for words, and an address, go into the query as one value; what they would have added is not there."""
    listed = "query ($f: UserFilter) { users(filter: $f) { nodes { id } unavailable { code } } }"
    for given in ({"search": text}, {"email": text}):
        said, calls = await asked(listed, f=given)
        assert _codes(said) <= {"BAD_USER_INPUT"}
        for call in calls:
            assert call["path"].rpartition("/")[2] in {"account-users", "users"}
            assert call["query"].count("limit=") <= 1
            assert "\n" not in call["query"]
            assert "#" not in call["query"]
            assert EVIL.lower() not in {name.lower() for name in call["headers"]}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_an_idempotency_key(asked: Any, text: str) -> None:
    """A key is never sent as it is: no key adds a header, or reaches another caller's record."""
    query = (
        "mutation ($k: String) "
        '{ updateAccountUser(id: "acus_gracehopper1", idempotencyKey: $k, input: {name: "Grace Hopper"}) { id } }'
    )
    said, calls = await asked(query, k=text)
    assert _codes(said) <= {"BAD_USER_INPUT"}
    for call in calls:
        headers = {name.lower(): value for name, value in call["headers"].items()}
        assert EVIL.lower() not in headers
        assert text not in headers.get("idempotency-key", "")


@pytest.mark.parametrize("sent", ["x;y", 'x" y', "<script>", "x" * 200, "é"])
async def test_a_request_id(development: Recorded, at: Callable[..., Caller], sent: str) -> None:
    """A request id that is no plain word is not given back: it gets one of the gateway's."""
    _, _, headers = await at(development).send({"query": "{ __typename }"}, **{"X-Request-ID": sent})
    assert len(headers["X-Request-ID"]) == 32
    _, _, headers = await at(development).send({"query": "{ __typename }"}, **{"X-Request-ID": "mine-1"})
    assert headers["X-Request-ID"] == "mine-1"


async def test_a_cursor_of_ones_own(asked: Any) -> None:
    """A cursor that nobody gave out is refused, and no system is asked for a position that a client made up."""
    for text in HOSTILE.values():
        said, calls = await asked("query ($a: String) { users(after: $a) { nodes { id } } }", a=text)
        assert (_codes(said), calls) == ({"BAD_USER_INPUT"}, [])


def _codes(said: Any) -> set[str]:
    return {error["extensions"]["code"] for error in said.get("errors", ())}
