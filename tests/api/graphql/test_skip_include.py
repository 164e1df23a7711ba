"""The interpretation of `@skip` and `@include`, compared with what graphql-core executes."""

from graphql import FieldNode, OperationDefinitionNode, build_schema, execute_sync, parse, print_ast
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.graphql.skip_include import condition_of, condition_variables, conditions_of, without_conditions

SCHEMA = build_schema("type Query { a: Int }")
VALUES = st.sampled_from(["true", "false", "$v", "$w"])
DIRECTIVES = st.lists(
    st.tuples(st.sampled_from(["skip", "include"]), VALUES), max_size=2, unique_by=lambda pair: pair[0]
)


@given(directives=DIRECTIVES, v=st.booleans(), w=st.booleans())
def test_conditions_hold_exactly_where_graphql_core_includes(
    directives: list[tuple[str, str]], *, v: bool, w: bool
) -> None:
    """A field has all its conditions fulfilled in exactly those cases in which graphql-core returns it."""
    written = " ".join(f"@{name}(if: {value})" for name, value in directives)
    document = parse(f"query ($v: Boolean!, $w: Boolean!) {{ __typename a {written} }}")
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    field = operation.selection_set.selections[1]
    variables = {"v": v, "w": w}
    conditions = conditions_of(field)
    included = conditions is not None and all(variables[name] is value for name, value in conditions)
    data = execute_sync(SCHEMA, document, variable_values=variables).data
    assert included is ("a" in (data or {}))


def test_other_directives_are_no_conditions() -> None:
    """A directive other than the two is neither a condition nor removed."""
    document = parse("query { a @skip(if: $v) { b @defer(if: $w) @include(if: true) } }")
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    field = operation.selection_set.selections[0]
    assert isinstance(field, FieldNode)
    assert field.selection_set is not None
    [nested] = field.selection_set.selections
    assert [condition_of(directive) for directive in nested.directives or ()] == [None, True]
    assert condition_variables(document) == {"v"}
    assert print_ast(without_conditions(operation)).split() == ["{", "a", "{", "b", "@defer(if:", "$w)", "}", "}"]
