"""The violations of variables and literals: their paths, rules and bounds, and that they contain no value."""

import json
from typing import Any

import pytest
from graphql import Undefined, ValuesOfCorrectTypeRule, parse, validate
from graphql.execution import get_variable_values
from graphql.type import is_input_type
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import Gateway, Settings
from gateway.api.graphql.execution.document_errors import LiteralsOfCorrectType
from gateway.api.graphql.execution.input_values import variables_error
from gateway.api.graphql.schema.build import build_schema, executable

SCHEMA = executable(build_schema())
CREATE = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }"
SECRET = "Marker-4711"
SOURCES = ["ACCOUNT", "SOFTWAREONE", "RESELLER"]


def violations(query: str, variables: dict[str, Any], *, suggestions: bool = True) -> list[dict[str, Any]]:
    """Return field, rule and bounds of each violation, and check that no message contains the secret."""
    document = parse(query)
    [operation, *_] = document.definitions
    error = variables_error(SCHEMA, document, operation, variables, suggestions=suggestions)
    assert error is not None
    assert SECRET not in error.message
    found = error.original_error.violations
    return [
        {"field": ".".join(map(str, each.path)), "rule": each.rule.value, **each.bounds}
        for each in found
        if SECRET not in each.message or pytest.fail(each.message)
    ]


VARIABLES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (CREATE, {}, [{"field": "input", "rule": "required"}]),
    (CREATE, {"input": None}, [{"field": "input", "rule": "notNull"}]),
    (CREATE, {"input": SECRET}, [{"field": "input", "rule": "type", "type": "object"}]),
    (CREATE, {"input": {"pasword": SECRET, "email": 5}}, [
        {"field": "input.email", "rule": "type", "type": "string"},
        {"field": "input.pasword", "rule": "unknown"}]),
    (CREATE, {"input": {"preferences": [{"notificationType": SECRET}, SECRET]}}, [
        {"field": "input.preferences.0.notificationType", "rule": "enum",
         "values": ["INVOICE", "ORDER_ACKNOWLEDGEMENT", "PURCHASE_ORDER_SUBMISSION"]},
        {"field": "input.preferences.0.enabled", "rule": "required"},
        {"field": "input.preferences.1", "rule": "type", "type": "object"}]),
    ("query ($n: Int) { users(first: $n) { nodes { id } } }", {"n": SECRET}, [
        {"field": "first", "rule": "type", "type": "integer"}]),
    ("query ($n: Int) { users(first: $n) { nodes { id } } }", {"n": 2**31}, [
        {"field": "first", "rule": "range", "min": -(2**31), "max": 2**31 - 1}]),
    ("query ($of: [UserSource!]) { users(filter: {sources: $of}) { nodes { id } } }", {"of": ["ACCOUNT", SECRET]}, [
        {"field": "filter.sources.1", "rule": "enum", "values": SOURCES}]),
    ("query ($s: UserSource!) { users(filter: {sources: [RESELLER, $s]}) { nodes { id } } }", {"s": [SECRET]}, [
        {"field": "filter.sources.1", "rule": "enum", "values": SOURCES}]),
    ("query ($yes: Boolean!) { roles { nodes { id @include(if: $yes) } } }", {"yes": SECRET}, [
        {"field": "yes", "rule": "type", "type": "boolean"}]),
    ("query ($i: ID!) { ...F } fragment F on Query { user(id: $i) { id } }", {"i": {"a": SECRET}}, [
        {"field": "id", "rule": "type", "type": "string"}]),
    ("mutation ($f: Upload) { updateSoftwareOneUser(id: 1, input: {icon: $f}) { id } }", {"f": SECRET}, [
        {"field": "input.icon", "rule": "type", "type": "file"}]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "variables", "expected"), VARIABLES)
def test_variables(query: str, variables: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    """Each value that does not fit is a violation at the argument that the variable stands for, without the value."""
    assert violations(query, variables) == expected


def test_names_of_the_schema() -> None:
    """Similar names and the values of enums are listed only where the schema may be read."""
    document = parse(CREATE)
    sent = {"input": {"pasword": SECRET, "preferences": [{"enabled": True, "notificationType": "FAX"}]}}
    shown, hidden = (
        variables_error(SCHEMA, document, document.definitions[0], sent, suggestions=suggestions)
        for suggestions in (True, False)
    )
    assert shown is not None
    assert hidden is not None
    assert "similar: password" in shown.message
    assert "INVOICE" in shown.message
    assert hidden.message == (
        "input.preferences.0.notificationType must be a value of NotificationType; "
        "input.pasword is not a field of CreateAccountUserInput."
    )


def test_another_name() -> None:
    """The message names a variable whose name differs from that of its argument, and abbreviates a long name."""
    document = parse("mutation ($i: CreateAccountUserInput!) { createAccountUser(input: $i) { id } }")
    error = variables_error(SCHEMA, document, document.definitions[0], {"i": {"x" * 99: 1}}, suggestions=False)
    assert error is not None
    assert error.message == f"input.{'x' * 64}… (variable $i) is not a field of CreateAccountUserInput."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**33), 2**33) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["ACCOUNT", "INVOICE", "2026-01-01T00:00:00Z", "x", ""]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(
        st.sampled_from(["email", "sources", "enabled", "notificationType", "preferences", "other", "prefix"]),
        values, max_size=3),
    max_leaves=6,
)  # fmt: skip
INPUT_TYPES = sorted(name for name, type_ in SCHEMA.type_map.items() if is_input_type(type_) and name[0] != "_")
TYPES = st.sampled_from([pattern.format(name) for name in INPUT_TYPES for pattern in ("{}", "{}!", "[{}!]", "[{}]!")])


@settings(max_examples=300, deadline=None)
@given(TYPES, JSON | st.just(Undefined))
def test_the_same_decision_for_variables(type_: str, value: Any) -> None:
    """There is a violation exactly if graphql-core refuses the value."""
    document = parse(f"query ($v: {type_}) {{ __typename }}")
    [operation] = document.definitions
    sent = {} if value is Undefined else {"v": value}
    refused = isinstance(get_variable_values(SCHEMA, operation.variable_definitions, sent), list)
    assert (variables_error(SCHEMA, document, operation, sent, suggestions=True) is not None) == refused


def literal(value: Any) -> str:
    """Return a value of JSON as a literal; some texts as enum values."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {literal(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return value if value in ("ACCOUNT", "INVOICE") else json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(TYPES, JSON)
def test_the_same_decision_for_literals(type_: str, value: Any) -> None:
    """A literal is refused exactly if graphql-core refuses it."""
    document = parse(f"query ($v: {type_} = {literal(value)}) {{ __typename }}")
    ours, theirs = (validate(SCHEMA, document, [rule]) for rule in (LiteralsOfCorrectType, ValuesOfCorrectTypeRule))
    assert bool(ours) == bool(theirs)


LITERALS: list[tuple[str, str, tuple[int, int]]] = [
    (f'{{ user(id: {{a: "{SECRET}"}}) {{ id }} }}', "id must be a string.", (1, 12)),
    (f'{{ user(id: 1, source: "{SECRET}") {{ id }} }}',
     "source must be one of ACCOUNT, SOFTWAREONE, RESELLER.", (1, 23)),
    ("{ user(id: 1, source: SECRET) { id } }", "source must be one of ACCOUNT, SOFTWAREONE, RESELLER.", (1, 23)),
    (f'mutation {{ createAccountUser(input: {{pasword: "{SECRET}"}}) {{ id }} }}',
     "input.pasword is not a field of CreateAccountUserInput (similar: password).", (1, 47)),
    (f'query ($n: Int = "{SECRET}") {{ users(first: $n) {{ nodes {{ id }} }} }}', "$n must be an integer.", (1, 18)),
]  # fmt: skip


@pytest.mark.parametrize(("query", "message", "position"), LITERALS)
def test_literals(query: str, message: str, position: tuple[int, int]) -> None:
    """The error of a literal names the field and has the position of the value, and does not contain the value."""
    [error] = validate(SCHEMA, parse(query), [LiteralsOfCorrectType])
    assert (error.message, error.locations and tuple(error.locations[0])) == (message, position)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('query ($a: ID = "x") { user(id: $a) { id } }', "id"),
        ('query ($a: ID = "x") { nodes(ids: ["y", $a]) { id } }', "ids.1"),
        ('query ($a: ID = "x") { user(id: $a) { id } ... @defer { roles { nodes { id } } } }', "id"),
        ('mutation ($a: ID = "x") { updateAccountUser(id: $a, input: {name: "a"}) { id } }', "id"),
    ],
)
async def test_null_for_a_required_argument(query: str, field: str) -> None:
    """A variable with a default may be null, the argument that it stands for may not: a violation of the argument."""
    async with Gateway(Settings()) as gateway:
        result = await gateway.execute(query, {"a": None})
        [error, *_] = result.errors or []
        extensions = error.extensions or {}
        assert (extensions["code"], extensions["violations"]) == (
            "BAD_USER_INPUT",
            [{"field": field, "message": "must not be null", "rule": "notNull"}],
        )
