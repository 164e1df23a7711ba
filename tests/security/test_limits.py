"""Every limit on a document, from outside: refused by its name, and executed where it is only tried out."""

from collections.abc import Callable, Iterator

import pytest
from security.outside import Caller, Recorded, Serve

LOW = {"GATEWAY_LIMITS__COST": "100", "GATEWAY_LIMITS__DIRECTIVES": "1", "GATEWAY_LIMITS__INTROSPECTION": "1"}
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
    "cost": "{ users(first: 100) { nodes { id } } }",
}
"""A document for each limit. Length, tokens and cost come before or after the others, so it breaks no other of them."""


@pytest.fixture(scope="module")
def strict(serve: Serve) -> Iterator[Recorded]:
    """A gateway with the limits as they are, but for three low ones: past those a document would not be valid."""
    with serve(**LOW) as running:
        yield running


@pytest.fixture(scope="module")
def trying(serve: Serve) -> Iterator[Recorded]:
    """A gateway with the same limits, all of them tried out."""
    with serve(**LOW, GATEWAY_LIMITS__LOG=" ".join(BREAKING)) as running:
        yield running


@pytest.mark.parametrize("limit", BREAKING)
async def test_refused(strict: Recorded, at: Callable[..., Caller], limit: str) -> None:
    """A document that breaks a limit is a 400 before anything is executed, its violation naming just that limit."""
    status, said, _ = await at(strict).send({"query": BREAKING[limit]})
    assert (status, set(said)) == (400, {"errors"})
    [error] = said["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [one["field"] for one in error["extensions"]["violations"]] == [f"document.{_camel(limit)}"]


@pytest.mark.parametrize("limit", BREAKING)
async def test_tried_out(trying: Recorded, at: Callable[..., Caller], limit: str) -> None:
    """In dry run the same document is executed; the log and a counter have what would have been refused."""
    caller = at(trying)
    said = await caller.ask(BREAKING[limit])
    assert f"document.{_camel(limit)}" not in str(said)
    assert "errors" not in said
    assert said["data"]
    assert f"limit {limit} exceeded, not enforced" in trying.said
    async with caller.session.get(trying.address("metrics")) as answer:
        assert f'gateway_document_limit_total{{limit="{limit}",refused="false"}}' in await answer.text()


async def test_few_mistakes_are_told(strict: Recorded, at: Callable[..., Caller]) -> None:
    """A document of a hundred mistakes is told of five."""
    said = await at(strict).ask("{ " + " ".join(f"nothing{number}" for number in range(20)) + " }")
    assert 1 <= len(said["errors"]) <= 5


@pytest.mark.parametrize("first", [-1, 201, 99_999_999, 2**31 - 1])
async def test_the_amount(development: Recorded, at: Callable[..., Caller], first: int) -> None:
    """No list gives more than a page at once, however many are asked for, nor fewer than none."""
    for field in ("users", "roles", "departments"):
        said = await at(development).ask(f"query ($n: Int) {{ {field}(first: $n) {{ nodes {{ id }} }} }}", n=first)
        [error] = said["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["violations"][0]["field"] in {"first", "document.cost"}


async def test_too_many_nodes(strict: Recorded, at: Callable[..., Caller]) -> None:
    """Ids in a list cost one by one: a long list is too dear before a system is asked."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    _, said, _ = await at(strict).send({"query": query, "variables": {"ids": [f"x{number}" for number in range(100)]}})
    assert said["errors"][0]["extensions"]["violations"][0]["field"] == "document.cost"


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
