"""The cost of operations on the gateway's schema."""

from typing import Any

import pytest
from graphql import GraphQLSchema, get_introspection_query, get_operation_ast, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.graphql.limits.cost_analysis import price_of
from gateway.api.graphql.limits.cost_model import CostModel, Price
from gateway.api.graphql.schema.build import sdl

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


TWO_OCCURRENCES = """
query ($a: Boolean!, $b: Boolean!) { user(id: "u") { ...F @include(if: $a) role @include(if: $b) { id } } }
fragment F on User { role { owner { type } } }
"""


def priced(cost_model: CostModel, text: str) -> Price:
    document = parse(text)
    assert validate(cost_model.schema, document) == []
    operation = get_operation_ast(document)
    assert operation is not None
    return price_of(cost_model, document, operation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a call costs 10, an object 1, a scalar nothing
        ('{ user(id: "u") { id } }', 11),
        ('{ user(id: "u") { id name email createdAt } }', 11),
        ('{ user(id: "u") { role { name } department { name } } }', 13),
        ('{ person(email: "e") { email } }', 31),
        # each alias of a root field is a call; fields with one response name are merged
        ('{ a: user(id: "u") { id } b: user(id: "u") { id } }', 22),
        ('{ user(id: "u") { id } user(id: "u") { name } }', 11),
        ('{ user(id: "u") { ...F ...F } } fragment F on User { role { name } }', 12),
        # lists multiply objects; the pages of three sources are three calls
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
def test_prices(cost_model: CostModel, text: str, expected: int) -> None:
    """Calls cost the weight in the schema, once per batch; objects cost 1 each, times the sizes of the lists around."""
    assert priced(cost_model, text)() == expected


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
        # a field counts if one of its occurrences is included
        (
            TWO_OCCURRENCES,
            {"a": False, "b": True},
            12,
        ),
        (
            TWO_OCCURRENCES,
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
def test_variables(cost_model: CostModel, text: str, variables: dict[str, Any], expected: int) -> None:
    """List sizes and conditions come from the variables, else from the operation's defaults, else from the schema."""
    assert priced(cost_model, text)(variables) == expected


@given(n=JSON, i=JSON, w=JSON)
def test_any_variables(cost_model: CostModel, n: Any, i: Any, w: Any) -> None:
    """Any variables have a cost; that they are invalid is reported elsewhere."""
    text = """query ($n: Int, $i: [ID!]!, $w: Boolean!) {
      users(first: $n) { nodes { accounts { name } role @skip(if: $w) { owner { type } } } }
      nodes(ids: $i) { id }
    }"""
    assert 0 <= priced(cost_model, text)({"n": n, "i": i, "w": w}) <= 10**9


@given(st.integers(0, 300), st.integers(0, 300))
def test_longer_lists_cost_more(cost_model: CostModel, length: int, extra: int) -> None:
    """A longer list never costs less."""
    price = priced(cost_model, "query ($n: Int) { users(first: $n) { nodes { accounts { name } role { name } } } }")
    assert (price({"n": length}) <= price({"n": length + extra})) is True


def test_lists_in_lists(cost_model: CostModel) -> None:
    """Nested lists multiply, up to the maximum cost."""
    below = "department { name }"
    for _ in range(40):
        below = f"inSteps {{ {below} }}"
    inner = f"scanningStations {{ nodes {{ productionSteps {{ nodes {{ {below} }} }} }} }}"
    assert priced(cost_model, f'{{ department(id: "d") {{ {inner} }} }}')() == 10**9


def test_bomb(cost_model: CostModel) -> None:
    """Fragments that are spread exponentially often into one field cost that field, and are not spread for it."""
    text = "{ ...F0 }" + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    assert priced(cost_model, text + 'fragment F60 on Query { user(id: "u") { id } }')() == 11


def test_declared() -> None:
    """The schema definition contains the cost directives."""
    text = sdl()
    assert "directive @cost(weight: String!) on FIELD_DEFINITION | ARGUMENT_DEFINITION" in text
    assert "directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!]" in text
    assert 'owner: RoleOwner @cost(weight: "10")' in text
    assert 'ids: [ID!]! @cost(weight: "10")\n  ): [Node]! @listSize(slicingArguments: ["ids"]' in text


def test_every_call_costs(schema: GraphQLSchema, cost_model: CostModel) -> None:
    """Every root field costs something, since each calls a source."""
    for root in (schema.query_type, schema.mutation_type):
        assert root is not None
        for name in root.fields:
            cost = cost_model.of(root.name, name)
            assert cost is not None
            assert cost.weight > 0 or cost.arguments, name
