"""`@semanticNonNull` in the schema: a field that has it is null only together with an error."""

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    is_required_argument,
)
from graphql.execution.values import get_directive_values

SCHEMA = build_schema((ROOT / "schema.graphql").read_text())
CHANGES = {
    "createAccountUser": '(input: {{name: "New", email: "new.{number}@example.com"}})',
    "updateAccountUser": '(id: "acus_adalovelace1", input: {{name: "Ada {number}"}})',
    "updateSoftwareOneUser": '(id: "USR-0000-0001", input: {{firstName: "Ada {number}"}})',
    "updateResellerUser": '(id: "00000000-0000-4000-8000-000000000001", input: {{company: "Engines {number}"}})',
}
REFUSED = {
    "createAccountUser": '(input: {email: "none"})',
    "updateAccountUser": '(id: "acus_missing00000", input: {name: "Ada"})',
    "updateSoftwareOneUser": '(id: "USR-9999-9999", input: {firstName: "Ada"})',
    "updateResellerUser": '(id: "00000000-0000-4000-8000-999999999999", input: {company: "Engines"})',
}
FAULTS = [
    *({"kind": "status", "status": status} for status in (400, 401, 403, 404, 409, 429, 500, 503)),
    *({"kind": kind} for kind in ("hangup-before", "hangup-after", "html", "garbage", "half-body")),
]


def levels(field: GraphQLField) -> list[int]:
    """Return the levels at which the field is null only together with an error."""
    directive = SCHEMA.get_directive("semanticNonNull")
    assert directive is not None
    found = get_directive_values(directive, field.ast_node) if field.ast_node else None  # introspection has none
    return list(found["levels"]) if found else []


MARKED = [
    (type_, name)
    for type_ in SCHEMA.type_map.values()
    if isinstance(type_, GraphQLObjectType)
    for name, field in type_.fields.items()
    if levels(field)
]


def selection(type_: Any, depth: int) -> str:
    """Return a selection of all fields without required arguments, down to this depth."""
    named = get_named_type(type_)
    if not is_composite_type(named):
        return ""
    if not isinstance(named, GraphQLObjectType):
        return "{ __typename }"
    fields = [
        f"{name} {selection(field.type, depth - 1)}"
        for name, field in named.fields.items()
        if not any(map(is_required_argument, field.args.values()))
        and (depth or not is_composite_type(get_named_type(field.type)))
    ]
    return f"{{ __typename {' '.join(fields)} }}"


def nulls(value: Any, type_: Any, field: GraphQLField | None, level: int, path: list[Any]) -> Iterator[list[Any]]:
    """Yield the path of each null that may only stand for an error."""
    if value is None:
        if field is not None and level in levels(field):
            yield path
        return
    type_ = get_nullable_type(type_)
    if is_list_type(type_):
        for number, item in enumerate(value):
            yield from nulls(item, type_.of_type, field, level + 1, [*path, number])
    elif isinstance(value, dict):
        object_type = SCHEMA.get_type(value["__typename"]) if "__typename" in value else get_named_type(type_)
        assert isinstance(object_type, GraphQLObjectType)
        for key, inner in value.items():
            if (found := object_type.fields.get(key)) is not None:
                yield from nulls(inner, found.type, found, 0, [*path, key])


def check(response: Any, root: str) -> int:
    """Check that each null of a marked field has an error, and return how many there are."""
    root_type = SCHEMA.get_type(root)
    found = list(nulls(response["data"], root_type, None, 0, []))
    errors = [error["path"] for error in response.get("errors", ())]
    for path in found:
        assert any(error[: len(path)] == path for error in errors), path
    return len(found)


def test_the_schema() -> None:
    """The directive is defined as its specification has it, and is only on nullable positions of the API."""
    text = (ROOT / "schema.graphql").read_text()
    assert "directive @semanticNonNull(levels: [Int!]! = [0]) on FIELD_DEFINITION" in text
    assert {name for type_, name in MARKED} >= set(CHANGES)
    for type_, name in MARKED:
        at: Any = type_.fields[name].type
        for level in range(max(levels(type_.fields[name])) + 1):
            assert level not in levels(type_.fields[name]) or at is get_nullable_type(at), f"{type_}.{name}"
            at = getattr(get_nullable_type(at), "of_type", None)


async def test_all_reads(world: Any) -> None:
    """The records of all sources, read with all fields, have no null at a marked field without an error."""
    for query, type_name in (
        ("users(first: 40)", "UserConnection"),
        ("roles", "RoleConnection"),
        ("departments", "DepartmentConnection"),
        ('person(email: "ada.lovelace@example.com")', "Person"),
    ):
        response = await world.graphql(f"{{ {query} {selection(SCHEMA.get_type(type_name), 4)} }}")
        assert response["data"], response
        check(response, "Query")


@pytest.mark.parametrize("name", CHANGES)
async def test_changes_that_fail(fresh: Any, name: str) -> None:
    """A change that fails in whatever way is null with an error; one that succeeds is a user."""
    world = await fresh(max_attempts=1)
    source = name.removeprefix("create").removeprefix("update").removesuffix("User").lower()
    fields = "{ __typename id role { name permissions } accounts { name } }"

    async def change(arguments: str) -> Any:
        response = await world.graphql(f"mutation {{ {name}{arguments} {fields} }}")
        return response, check(response, "Mutation")

    response, null_count = await change(CHANGES[name].format(number=0))
    assert (null_count, response["data"][name]["__typename"]) == (0, "User")
    assert (await change(REFUSED[name]))[1] == 1
    for number, fault in enumerate(FAULTS, 1):
        await world.fault(source=source, times=1, **fault)
        await change(CHANGES[name].format(number=number))
        await world.forget()


LISTS = {
    "users": "users(first: 1) { nodes { id } }",
    "person": 'person(email: "ada@example.com") { users { id } }',
    "roles": "roles(first: 1) { nodes { id } }",
    "departments": "departments(first: 1) { nodes { id } }",
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_root_field_that_fails(fresh: Any, name: str) -> None:
    """A list that no source answers is null with an error, and leaves the other fields of the response."""
    world = await fresh(max_attempts=1)
    for source in ("account", "softwareone", "reseller"):
        await world.fault(source=source, kind="status", status=403, times=9)
    response = await world.graphql(f"{{ __typename {LISTS[name]} }}")
    assert response["data"] == {"__typename": "Query", name: None}
    assert [error["path"] for error in response["errors"]] == [[name]]
