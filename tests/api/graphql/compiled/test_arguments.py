"""Compares the arguments of root fields with those of graphql-core: each variable given, null and absent."""

from itertools import product
from typing import Any

import pytest
from api.graphql.compiled.comparison import SCHEMA
from graphql import FieldNode, GraphQLError, OperationDefinitionNode, build_schema, get_argument_values, parse

from gateway.api.graphql.compiled.arguments import Arguments, Variables

_ABSENT = object()
_SAMPLE = build_schema("""
    type Query {
      one(value: Int! = 3, input: Outer, list: [Int!]): Int
    }
    input Outer { text: String = "some", number: Int!, inner: Inner, either: Either }
    input Inner { number: Int! = 7, texts: [String], other: Boolean }
    input Either @oneOf { text: String, number: Int }
""")


def _result(compute: Any) -> Any:
    try:
        return compute()
    except GraphQLError as error:
        return error.formatted


@pytest.mark.parametrize(
    ("schema", "text", "given"),
    [
        (SCHEMA, "query($a: Int!, $b: String) { users(first: $a, filter: {search: $b}) }", {"a": 5, "b": "x"}),
        (SCHEMA, "query($a: [UserSource!]) { users(filter: {sources: $a, search: null}) }", {"a": ["ACCOUNT"]}),
        (SCHEMA, "query($a: String) { users(filter: {sources: [ACCOUNT], search: $a}) }", {"a": "x"}),
        (SCHEMA, "query($a: String, $b: String) { users(after: $a, filter: {email: $b}) }", {"a": "x", "b": "y"}),
        (SCHEMA, "query($a: UserFilter) { users(filter: $a) }", {"a": {"search": "x"}}),
        (_SAMPLE, "query($a: Int) { one(value: $a) }", {"a": 1}),
        (_SAMPLE, "query($a: Int, $b: String) { one(input: {number: $a, text: $b}) }", {"a": 1, "b": "x"}),
        (_SAMPLE, "query($a: Int) { one(input: {number: 1, inner: {number: $a}}) }", {"a": 1}),
        (_SAMPLE, "query($a: [String]) { one(input: {number: 1, inner: {texts: $a, number: 2}}) }", {"a": ["x"]}),
        (_SAMPLE, "query($a: String) { one(input: {number: 1, inner: {texts: [$a]}}) }", {"a": "x"}),
        (_SAMPLE, "query($a: Int) { one(list: [1, $a]) }", {"a": 2}),
        (_SAMPLE, "query($a: Int) { one(input: {number: 1, either: {number: $a}}) }", {"a": 2}),
        (_SAMPLE, "query($a: Int) { one(input: {number: 1, either: {number: $a, text: null}}) }", {"a": 2}),
        (_SAMPLE, "query($a: Boolean) { one(input: {inner: {other: $a}}) }", {"a": True}),
        (_SAMPLE, "query($a: Boolean) { one(input: {number: 1, inner: {other: $a, more: 1}}) }", {"a": True}),
        (_SAMPLE, "query($a: Boolean) { one(more: $a, input: {number: null}) }", {"a": True}),
        (_SAMPLE, "query($a: Int = 9) { one(value: $a, input: {number: $a}) }", {"a": 1}),
    ],
)
def test_equal_to_graphql_core(schema: Any, text: str, given: dict[str, Any]) -> None:
    operation = parse(text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    node = operation.selection_set.selections[0]
    assert isinstance(node, FieldNode)
    variables = Variables(schema, operation, hide_suggestions=False)
    field = schema.query_type.fields[node.name.value]
    arguments = Arguments(field, node, hide_suggestions=False)
    for values in product(*((value, None, _ABSENT) for value in given.values())):
        sent = {name: value for name, value in zip(given, values, strict=True) if value is not _ABSENT}
        coerced = variables.coerce(sent)
        if isinstance(coerced, list):  # the operation is refused: there are no arguments
            continue
        expected = _result(lambda: get_argument_values(field, node, coerced.for_core()))  # noqa: B023 - called at once
        assert _result(lambda: arguments.values(coerced)) == expected  # noqa: B023 - called at once


def test_each_request_has_its_own_objects() -> None:
    """What one request does to its arguments does not reach another one."""
    operation = parse("{ one(input: {number: 1, inner: {number: 2}}) }").definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    node = operation.selection_set.selections[0]
    assert isinstance(node, FieldNode)
    variables = Variables(_SAMPLE, operation, hide_suggestions=False).coerce({})
    assert not isinstance(variables, list)
    query = _SAMPLE.query_type
    assert query is not None
    arguments = Arguments(query.fields["one"], node, hide_suggestions=False)
    arguments.values(variables)["input"]["inner"].clear()
    assert arguments.values(variables)["input"]["inner"] == {"number": 2}
