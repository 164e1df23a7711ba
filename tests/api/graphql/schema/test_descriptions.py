"""The descriptions of the schema: each says something to a reader who sees nothing but it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from graphql import is_introspection_type, is_specified_scalar_type, print_schema

from gateway.api.graphql.schema.build import build_schema, executable, sdl

SCHEMA = executable(build_schema())
TYPES: Mapping[str, Any] = {
    name: type_
    for name, type_ in SCHEMA.type_map.items()
    if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
}

DEPRECATION = re.compile(r"Use .+\. Stays until \d{4}-\d{2}-\d{2}\.")


def described() -> Iterator[tuple[str, str | None]]:
    """Yield the coordinate and the description of every type, field, argument and value."""
    for name, type_ in TYPES.items():
        yield name, type_.description
        for value_name, value in getattr(type_, "values", {}).items():
            yield f"{name}.{value_name}", value.description
        for field_name, field in getattr(type_, "fields", {}).items():
            yield f"{name}.{field_name}", field.description
            for argument_name, argument in getattr(field, "args", {}).items():
                yield f"{name}.{field_name}({argument_name}:)", argument.description


def problems(description: str | None) -> Iterator[str]:
    """Yield what is wrong with a description."""
    if not description:
        yield "there is none"
        return
    if not re.match(r"[A-Z0-9`]", description) or not description.endswith("."):
        yield "it is no sentence"
    if len(re.sub(r"Only in [^.]*\.", "", description).split()) < 4:
        yield "it states nothing but the sources of the field"
    if re.search(r"`(account|softwareone|reseller)`", description):
        yield "it names sources otherwise than the values of UserSource"


def test_every_description_says_something() -> None:
    """Each type, field, argument and value is described by a sentence that says more than its name and its sources."""
    found = {coordinate: list(problems(description)) for coordinate, description in described()}
    assert len(found) > 300
    assert not {coordinate: reasons for coordinate, reasons in found.items() if reasons}


@pytest.mark.parametrize("description", [None, "", "the name", "Only in `RESELLER`.", "Roles of the `account` source."])
def test_riddles_are_found(description: str | None) -> None:
    """A description that is missing, no sentence or a riddle is a problem."""
    assert list(problems(description))


def test_the_schema_is_described() -> None:
    """The schema has a description for its readers, in introspection and in the schema definition language."""
    assert SCHEMA.description
    assert "Start with `users`" in SCHEMA.description
    assert SCHEMA.description in sdl()


def test_every_scalar_has_a_specification() -> None:
    """Each scalar that GraphQL itself does not define names its specification."""
    scalars = [type_ for type_ in TYPES.values() if hasattr(type_, "specified_by_url")]
    assert len(scalars) >= 3
    assert all(type_.specified_by_url.startswith("https://") for type_ in scalars)


def test_deprecations() -> None:
    """The reason of each deprecation states what to use instead, and until when the field stays."""
    members = [
        member
        for type_ in TYPES.values()
        for name in ("fields", "values")
        for field in getattr(type_, name, {}).values()
        for member in (field, *getattr(field, "args", {}).values())
    ]
    reasons = [member.deprecation_reason for member in members if member.deprecation_reason is not None]
    assert len(members) > 300
    assert [reason for reason in reasons if not DEPRECATION.fullmatch(reason)] == []
    assert DEPRECATION.fullmatch("Use `imageUrl`. Stays until 2027-06-30.")
    assert not DEPRECATION.fullmatch("Use `imageUrl`.")


def test_the_order_of_the_types() -> None:
    """The types stand in the order for readers, in introspection and in the schema definition language."""
    names = list(TYPES)
    printed = re.findall(r"^(?:type|interface|enum|input|scalar) (\w+)", sdl(), re.MULTILINE)
    assert names == printed
    assert names[:5] == ["Query", "Mutation", "Subscription", "User", "UserSource"]
    assert names[-3:] == ["DateTime", "JSON", "Upload"]
    assert "type User" in print_schema(SCHEMA)
