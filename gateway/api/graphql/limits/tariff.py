"""What the schema charges for each field: its directives, read once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    GraphQLField,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from graphql.pyutils import Undefined

from gateway.api.graphql.limits.directives import Cost, ListSize

__all__ = ["ANY_LIST", "Charge", "Slicing", "Tariff"]

ANY_LIST = 5  # objects of a list of which the schema does not say how long it is
_DECLARATION = "strawberry-definition"  # where Strawberry keeps what a field of the schema was made from
_D = TypeVar("_D", Cost, ListSize)


@dataclass(frozen=True, slots=True)
class Slicing:
    """How many objects a list counts for: by the first of the arguments that is given, else as assumed."""

    assumed: int = ANY_LIST
    arguments: tuple[tuple[str, Any], ...] = ()  # with their defaults
    fields: frozenset[str] = frozenset()  # those that are the list; none: the field itself


@dataclass(frozen=True, slots=True)
class Charge:
    """One field: what asking costs, whether it answers objects and how many, and what an item of an argument costs."""

    type: str
    weight: int = 0
    is_object: bool = False
    is_list: bool = False
    slicing: Slicing | None = None
    arguments: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """The charges of a schema, by type and field."""

    schema: GraphQLSchema
    _charges: dict[tuple[str, str], Charge] = field(default_factory=dict, init=False, repr=False)

    def of(self, type_name: str, field_name: str) -> Charge | None:
        """The charge of a field; None for one that is not the schema's own, as introspection's are not."""
        known = self._charges.get((type_name, field_name))
        if known is None:
            fields: dict[str, GraphQLField] = getattr(self.schema.get_type(type_name), "fields", {})
            if field_name not in fields:
                return None
            known = self._charges[type_name, field_name] = _charge(fields[field_name])
        return known


def _charge(field: GraphQLField) -> Charge:
    cost, size = _one(Cost, field.extensions), _one(ListSize, field.extensions)
    weights = ((name, _one(Cost, argument.extensions)) for name, argument in field.args.items())
    return Charge(
        type=get_named_type(field.type).name,
        weight=int(cost.weight) if cost else 0,
        is_object=is_composite_type(get_named_type(field.type)),
        is_list=is_list_type(get_nullable_type(field.type)),
        slicing=_slicing(size, field) if size else None,
        arguments=tuple((name, int(weight.weight)) for name, weight in weights if weight),
    )


def _slicing(size: ListSize, field: GraphQLField) -> Slicing:
    return Slicing(
        size.assumed_size or ANY_LIST,
        tuple((name, _default(field, name)) for name in size.slicing_arguments or ()),
        frozenset(size.sized_fields or ()),
    )


def _default(field: GraphQLField, argument: str) -> Any:
    value = field.args[argument].default_value
    return None if value is Undefined else value


def _one(kind: type[_D], extensions: dict[str, Any]) -> _D | None:
    directives: Iterable[object] = getattr(extensions.get(_DECLARATION), "directives", None) or ()
    return next((one for one in directives if isinstance(one, kind)), None)
