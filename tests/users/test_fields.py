"""The types of changes and filters that are given as mappings."""

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from gateway import changes
from gateway.errors import BadUserInput, Rule
from gateway.users.changes import Change
from gateway.users.fields import UserFilter
from gateway.users.model import RoleType, UserSource
from gateway.users.validation import parse_filter

MODELS = {
    name: (getattr(changes, name), getattr(changes, name.removesuffix("Change") + "Fields"))
    for name in changes.__all__
    if isinstance(getattr(changes, name), type) and issubclass(getattr(changes, name), Change)
}


def kinds(hint: Any) -> frozenset[Any]:
    """Return the types of a hint, without annotations, mappings and literals, which stand beside a model or an enum."""
    if get_origin(hint) is Annotated:
        return kinds(get_args(hint)[0])
    if get_origin(hint) in {Union, UnionType}:
        return frozenset().union(*map(kinds, get_args(hint)))
    if get_origin(hint) is list:
        return frozenset(("list", kind) for kind in kinds(get_args(hint)[0]))
    is_alternative = is_typeddict(hint) or str(hint).startswith("typing.Literal")
    return frozenset() if is_alternative else frozenset([hint])


@pytest.mark.parametrize("name", MODELS)
def test_fields_of_changes(name: str) -> None:
    """A mapping has the fields of its model, of the same types, and the same ones are required."""
    model, mapping = MODELS[name]
    found, expected = get_type_hints(mapping), get_type_hints(model, include_extras=True)
    expected = {field: expected[field] for field in model.model_fields}
    assert found.keys() == expected.keys()
    # A change that creates a user requires one of two fields, which a mapping type cannot express.
    assert mapping.__required_keys__ == {field for field, info in model.model_fields.items() if info.is_required()}
    for field in found:
        never_null = field == "icon"  # null is refused by a rule
        assert kinds(found[field]) | ({NoneType} if never_null else set()) == kinds(expected[field]), field


def test_fields_of_filters() -> None:
    """A filter has the fields that the service accepts."""
    values = {
        "sources": [UserSource.ACCOUNT],
        "search": "a",
        "email": "a@b",
        "role_type": RoleType.ADMIN,
        "include_removed": True,
        "reseller_id": "r",
    }
    assert values.keys() == UserFilter.__annotations__.keys()
    query, sources = parse_filter(values)
    assert (query.search, query.email, query.role_type) == ("a", "a@b", RoleType.ADMIN)
    assert (query.include_removed, query.tenant, sources) == (True, "r", [UserSource.ACCOUNT])
    assert parse_filter(dict.fromkeys(values)) == parse_filter({})


@pytest.mark.parametrize(
    ("given", "path", "rule"),
    [
        ({"emial": "a@b"}, ("filter", "emial"), Rule.UNKNOWN),
        ({"search": 5}, ("filter", "search"), Rule.TYPE),
        ({"include_removed": "no"}, ("filter", "include_removed"), Rule.TYPE),
        ({"role_type": "boss"}, ("filter", "role_type"), Rule.ENUM),
        ({"sources": "account"}, ("filter", "sources"), Rule.TYPE),
        ({"sources": ["account", "ldap"]}, ("filter", "sources", 1), Rule.ENUM),
        ({"reseller_id": ".."}, ("filter", "reseller_id"), Rule.FORMAT),
    ],
)
def test_filters_that_are_not_valid(given: dict[str, Any], path: Sequence[str | int], rule: Rule) -> None:
    """A filter with an unknown field, or a value of another type, is refused at that field."""
    with pytest.raises(BadUserInput) as refused:
        parse_filter(given)
    assert [(found.path, found.rule) for found in refused.value.violations] == [(path, rule)]
