"""Inputs as Strawberry makes them: lists copied, objects of the classes that are declared.

Its own way looks at every type and makes every field's name anew in each call. What it makes of a type does not change,
so here that is looked at once.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull
from strawberry.types.base import StrawberryObjectDefinition

__all__ = ["Conversion", "Unknown", "conversion_of"]

Conversion = Callable[[Any], Any]


class Unknown(Exception):  # noqa: N818 - it is no error
    """A type that only Strawberry knows how to make."""


def conversion_of(type_: Any) -> Conversion | None:
    """What makes a resolver's value of a coerced one; None where that is the same.

    Raises:
        Unknown: the type is not made of lists, objects and leaves alone.
    """
    if isinstance(type_, GraphQLNonNull):
        return conversion_of(type_.of_type)
    if isinstance(type_, GraphQLList):
        return _list(conversion_of(type_.of_type))
    if isinstance(type_, GraphQLInputObjectType):
        return _object(type_)
    return None


def _list(item: Conversion | None) -> Conversion:
    if item is None:
        return lambda value: None if value is None else list(value)
    return lambda value: None if value is None else [item(one) for one in value]


def _object(type_: GraphQLInputObjectType) -> Conversion:
    declared = (type_.extensions or {}).get("strawberry-definition")
    if not isinstance(declared, StrawberryObjectDefinition) or declared.from_input is not None:
        raise Unknown
    make = declared.origin
    fields = [
        (sent, field.python_name, conversion_of(type_.fields[sent].type))
        for sent, field in zip(type_.fields, declared.fields, strict=True)
    ]
    absent = [one.python_name for one in declared.fields if one.default_value is one.default_factory is MISSING]

    def convert(value: Any) -> Any:
        if value is None:
            return None
        given: dict[str, Any] = dict.fromkeys(absent)
        for sent, name, conversion in fields:
            if sent in value:
                one = value[sent]
                given[name] = one if conversion is None else conversion(one)
        return make(**given)

    return convert
