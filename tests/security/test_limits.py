"""Every limit on a document refuses with its name, and only logs in a dry run."""

from collections.abc import Callable, Iterator

import pytest
from security.outside import Caller, Control, RecordedProcess, Serve

LOW = {"GATEWAY_LIMITS__COST": "100", "GATEWAY_LIMITS__DIRECTIVES": "1", "GATEWAY_LIMITS__INTROSPECTION": "1"}
_FIELDS = ("id", "name", "firstName", "lastName", "email", "username", "imageUrl", "status", "sourceStatus", "company")
_COMPARED = " ".join(f"fragment F{number} on User {{ {_FIELDS[number % 10]} }}" for number in range(400))
BREAKING = {
    "length": "{ __typename }" + " " * 50_000,
    "tokens": "{ users(filter: {sources: [" + "ACCOUNT " * 5_000 + "]}) { nodes { id } } }",
    "depth": '{ department(id: "x") { location ' + "{ parent " * 11 + "{ name }" + " }" * 11 + " } }",
    "nesting": "{ " + "... on Query { " * 64 + "__typename" + " }" * 64 + " }",
    "fields": "fragment A on User { id name email username imageUrl status company createdAt updatedAt lastActiveAt } "
    'query { user(id: "x", source: ACCOUNT) { ' + "...A " * 100 + "} }",
    "aliases": '{ person(email: "a@b.example") { ' + " ".join(f"a{number}: email" for number in range(31)) + " } }",
    "root_fields": "{ " + " ".join(f"a{number}: __typename" for number in range(21)) + " }",
    "directives": "{ __typename @skip(if: false) @include(if: true) }",
    "spreads": 'fragment A on Person { email } { person(email: "a@b.example") { ' + "...A " * 501 + "} }",
    "overlaps": '{ person(email: "a@b.example") { ' + "email " * 150 + "} }",
    "introspection": "{ __schema { types { fields { type { fields { name } } } } } }",
    "comparisons": '{ person(email: "a@b.example") { users { '
    + " ".join(f"...F{number}" for number in range(400))
    + f" }} }} }} {_COMPARED}",
    "cost": "{ users(first: 100) { nodes { id } } }",
}
"""A document for each limit that breaks no other one: length, tokens, comparisons and cost are checked separately."""


@pytest.fixture(scope="module")
def strict(serve: Serve) -> Iterator[RecordedProcess]:
    """A gateway with default limits and three low ones, since no valid document exceeds the defaults of these."""
    with serve(**LOW) as running:
        yield running


@pytest.fixture(scope="module")
def dry_run(serve: Serve) -> Iterator[RecordedProcess]:
    """A gateway with the same limits, all in a dry run."""
    with serve(**LOW, GATEWAY_LIMITS__LOG=" ".join(BREAKING)) as running:
        yield running


@pytest.mark.parametrize("limit", BREAKING)
async def test_refused(strict: RecordedProcess, caller_of: Callable[..., Caller], limit: str) -> None:
    """A document that breaks a limit is a 400 with a violation of only that limit."""
    status, body, _ = await caller_of(strict).send({"query": BREAKING[limit]})
    assert (status, set(body)) == (400, {"errors"})
    [error] = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [violation["field"] for violation in error["extensions"]["violations"]] == [f"document.{_camel(limit)}"]


@pytest.mark.parametrize("limit", BREAKING)
async def test_tried_out(dry_run: RecordedProcess, caller_of: Callable[..., Caller], limit: str) -> None:
    """In a dry run the same document is executed; the log and a counter report that it would have been refused."""
    caller = caller_of(dry_run)
    body = await caller.execute(BREAKING[limit])
    assert f"document.{_camel(limit)}" not in str(body)
    assert "errors" not in body
    assert body["data"]
    await dry_run.has_printed(f"limit {limit} exceeded, not enforced")
    async with caller.session.get(dry_run.address("metrics")) as response:
        assert f'gateway_document_limit_total{{limit="{limit}",refused="false"}}' in await response.text()


async def test_few_mistakes_are_reported(strict: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """A document with 20 mistakes gets at most five errors."""
    body = await caller_of(strict).execute("{ " + " ".join(f"nothing{number}" for number in range(20)) + " }")
    assert 1 <= len(body["errors"]) <= 5


@pytest.mark.parametrize("first", [-1, 201, 99_999_999, 2**31 - 1])
async def test_the_amount(development: RecordedProcess, caller_of: Callable[..., Caller], first: int) -> None:
    """A list refuses a negative number, and one that is larger than a page."""
    for field in ("users", "roles", "departments"):
        body = await caller_of(development).execute(
            f"query ($n: Int) {{ {field}(first: $n) {{ nodes {{ id }} }} }}", n=first
        )
        [error] = body["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["violations"][0]["field"] in {"first", "document.cost"}


async def test_too_many_nodes(strict: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """Each id of a list has a cost, so a long list is refused before any call is made."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    _, body, _ = await caller_of(strict).send(
        {"query": query, "variables": {"ids": [f"x{number}" for number in range(100)]}}
    )
    assert body["errors"][0]["extensions"]["violations"][0]["field"] == "document.cost"


MANY_VALUES = {
    "ids": ("subscription ($v: [ID!]) { userChanged(ids: $v) { id } }", ["x"] * 200_000),
    "sources": ("query ($v: [UserSource!]) { users(filter: {sources: $v}) { nodes { id } } }", ["ACCOUNT"] * 90_000),
    "preferences": (
        'mutation ($v: [NotificationPreferenceInput!]) { updateAccountUser(id: "x", input: {preferences: $v}) { id } }',
        [{"notificationType": "ORDER_CREATED", "enabled": True}] * 15_000,
    ),
    "unknown fields": (
        'mutation ($v: UpdateAccountUserInput!) { updateAccountUser(id: "acus_adalovelace1", input: $v) { id } }',
        {f"field{number}": None for number in range(40_000)},
    ),
    "lists in lists": ("query ($v: [ID!]!) { nodes(ids: $v) { id } }", [[["x"] * 30] * 30] * 30),
}
"""Operations with variables of almost 1 MiB, whose coercion took 0.25 to 0.45 s."""


@pytest.mark.parametrize("name", MANY_VALUES)
async def test_variables_with_many_values(
    development: RecordedProcess, control: Control, caller_of: Callable[..., Caller], name: str
) -> None:
    """Variables with more values than any operation needs are refused, and nothing is called."""
    query, value = MANY_VALUES[name]
    await control.reset()
    caller = caller_of(development)
    headers = {
        "Accept": "text/event-stream" if query.startswith("subscription") else "application/graphql-response+json"
    }
    payload = {"query": query, "variables": {"v": value}}
    async with caller.session.post(caller.url, json=payload, headers=headers) as response:
        assert '"field":"document.values"' in await response.text()
        is_stream = response.content_type == "text/event-stream"  # it has its errors as events
        assert response.status == (200 if is_stream else 400)
    assert not await control.has_calls()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
