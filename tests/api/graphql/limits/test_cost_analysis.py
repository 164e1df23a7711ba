"""What operations cost on the gateway's own schema."""

from typing import Any

import pytest
from graphql import GraphQLSchema, get_introspection_query, get_operation_ast, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.graphql.limits.cost_analysis import price_of
from gateway.api.graphql.limits.cost_model import Price, Tariff
from gateway.api.graphql.schema.build import sdl

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


TWO_REASONS = """
query ($a: Boolean!, $b: Boolean!) { user(id: "u") { ...F @include(if: $a) role @include(if: $b) { id } } }
fragment F on User { role { owner { type } } }
"""


def priced(tariff: Tariff, text: str) -> Price:
    document = parse(text)
    assert validate(tariff.schema, document) == []
    operation = get_operation_ast(document)
    assert operation is not None
    return price_of(tariff, document, operation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a call costs 10, an object 1, a scalar nothing
        ('{ user(id: "u") { id } }', 11),
        ('{ user(id: "u") { id name email createdAt } }', 11),
        ('{ user(id: "u") { role { name } department { name } } }', 13),
        ('{ person(email: "e") { email } }', 31),
        # every alias of a root calls again, what merges into one answer does not
        ('{ a: user(id: "u") { id } b: user(id: "u") { id } }', 22),
        ('{ user(id: "u") { id } user(id: "u") { name } }', 11),
        ('{ user(id: "u") { ...F ...F } } fragment F on User { role { name } }', 12),
        # lists multiply objects; the pages of three systems are three calls
        ("{ users { nodes { id } } }", 30 + 1 + 50),
        ("{ users(first: 3) { nodes { id } } }", 30 + 1 + 3),
        ("{ users(first: 3) { edges { node { id } } } }", 30 + 1 + 6),
        ("{ users(first: 3) { pageInfo { hasNextPage } unavailable { source } } }", 30 + 1 + 1 + 5),
        ("{ users(first: 3) { nodes { accounts { name } } } }", 30 + 1 + 3 + 15),
        ("{ roles(first: 3) { nodes { permissions } } }", 10 + 1 + 3 + 10),
        # a lookup inside a list is one batch
        ("{ users(first: 3) { nodes { role { owner { type } } } } }", 30 + 1 + 3 + 3 + (10 + 3)),
        ("{ users(first: 3) { nodes { organization { name } } } }", 30 + 1 + 3 + (10 + 3)),
        # each id is a call
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 30 + 3),
        ('{ nodes(ids: "a") { id } }', 10 + 1),
        ('{ node(id: "a") { ... on User { role { id } } ... on Department { location { name } } } }', 10 + 1 + 1 + 11),
        ('mutation { updateAccountUser(id: "u", input: {}) { id } }', 11),
        ('mutation { a: updateAccountUser(id: "u", input: {}) { id } b: createAccountUser(input: {}) { id } }', 22),
        ("{ users(first: 0) { nodes { id } } }", 30 + 1),
        ("{ users(first: null) { nodes { id } } }", 30 + 1 + 50),
        ("{ users(first: -5) { nodes { id } } }", 30 + 1),
        ('{ user(id: "u") @include(if: false) { id } }', 0),
        ('{ user(id: "u") @skip(if: true) { id } }', 0),
        ('{ user(id: "u") @include(if: true) { id } }', 11),
        ("{ __typename }", 0),
        (get_introspection_query(), 100),
    ],
)
def test_prices(tariff: Tariff, text: str, expected: int) -> None:
    """Calls cost what the schema says, once a batch; objects cost 1 each, as often as the lists around them."""
    assert priced(tariff, text)() == expected


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("query ($n: Int) { users(first: $n) { nodes { role { name } } } }", {"n": 7}, 31 + 14),
        ("query ($n: Int) { users(first: $n) { nodes { role { name } } } }", {"n": 7.0}, 31 + 14),
        ("query ($n: Int) { users(first: $n) { nodes { role { name } } } }", {}, 31 + 100),
        ("query ($n: Int) { users(first: $n) { nodes { role { name } } } }", {"n": None}, 31 + 100),
        ("query ($n: Int = 4) { users(first: $n) { nodes { role { name } } } }", {}, 31 + 8),
        ("query ($n: Int) { users(first: $n) { nodes { accounts { id: name } } } }", {"n": 7}, 31 + 7 + 35),
        ("query ($n: Int) { users(first: $n) { nodes { role { owner { type } } } } }", {"n": 7}, 31 + 21 + 10),
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a", "b"]}, 22),
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": "a"}, 11),
        ("query ($a: ID!, $b: ID!) { nodes(ids: [$a, $b]) { id } }", {}, 22),
        ('query ($w: Boolean!) { user(id: "u") { role @include(if: $w) { name } } }', {"w": True}, 12),
        ('query ($w: Boolean!) { user(id: "u") { role @include(if: $w) { name } } }', {"w": False}, 11),
        ('query ($w: Boolean!) { user(id: "u") @skip(if: $w) { role { name } } }', {"w": True}, 0),
        ('query ($w: Boolean = false) { user(id: "u") { ... @include(if: $w) { role { name } } } }', {}, 11),
        # one of two reasons is enough, and a field that is there anyway needs none
        (
            TWO_REASONS,
            {"a": False, "b": True},
            12,
        ),
        (
            TWO_REASONS,
            {"a": True, "b": False},
            12 + 11,
        ),
        (
            'query ($a: Boolean!) { user(id: "u") { role @include(if: $a) { id } role { name } } }',
            {"a": False},
            12,
        ),
    ],
)
def test_variables(tariff: Tariff, text: str, variables: dict[str, Any], expected: int) -> None:
    """List sizes and switches come from the variables, else from the operation's defaults, else from the schema."""
    assert priced(tariff, text)(variables) == expected


@given(n=JSON, i=JSON, w=JSON)
def test_any_variables(tariff: Tariff, n: Any, i: Any, w: Any) -> None:
    """Whatever a client sends as variables has a price: that they are wrong is said elsewhere."""
    text = """query ($n: Int, $i: [ID!]!, $w: Boolean!) {
      users(first: $n) { nodes { accounts { name } role @skip(if: $w) { owner { type } } } }
      nodes(ids: $i) { id }
    }"""
    assert 0 <= priced(tariff, text)({"n": n, "i": i, "w": w}) <= 10**9


@given(st.integers(0, 300), st.integers(0, 300))
def test_more_costs_more(tariff: Tariff, some: int, more: int) -> None:
    """A longer list never costs less."""
    price = priced(tariff, "query ($n: Int) { users(first: $n) { nodes { accounts { name } role { name } } } }")
    assert (price({"n": some}) <= price({"n": some + more})) is True


def test_lists_in_lists(tariff: Tariff) -> None:
    """Lists inside lists multiply, and the largest number ends the multiplication."""
    below = "department { name }"
    for _ in range(40):
        below = f"inSteps {{ {below} }}"
    inner = f"scanningStations {{ nodes {{ productionSteps {{ nodes {{ {below} }} }} }} }}"
    assert priced(tariff, f'{{ department(id: "d") {{ {inner} }} }}')() == 10**9


def test_bomb(tariff: Tariff) -> None:
    """Fragments that are spread over and over into one answer are priced as that answer, without spreading them."""
    text = "{ ...F0 }" + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    assert priced(tariff, text + 'fragment F60 on Query { user(id: "u") { id } }')() == 11


def test_declared() -> None:
    """The schema's definition says what costs what."""
    text = sdl()
    assert "directive @cost(weight: String!) on FIELD_DEFINITION | ARGUMENT_DEFINITION" in text
    assert "directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!]" in text
    assert 'owner: RoleOwner @cost(weight: "10")' in text
    assert 'nodes(ids: [ID!]! @cost(weight: "10")): [Node]! @listSize(slicingArguments: ["ids"]' in text


def test_every_call_costs(schema: GraphQLSchema, tariff: Tariff) -> None:
    """No field at a root is free: each of them calls a source."""
    for root in (schema.query_type, schema.mutation_type):
        assert root is not None
        for name in root.fields:
            charge = tariff.of(root.name, name)
            assert charge is not None
            assert charge.weight > 0 or charge.arguments, name
