"""A root field's own function, called without the library's wrappers where those would change nothing.

Strawberry converts arguments and makes an `info` of its own in every call, which costs more than all that is behind a
small field. What is plain needs no conversion, `conversions` makes the rest, and of an `info` our resolvers look at
little.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, NamedTuple

from graphql import (
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    default_field_resolver,
)
from graphql.pyutils import Path
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gateway.api.graphql.execution.context import Context

__all__ = ["Conversion", "LiteInfo", "Unknown", "conversion_of", "resolver_of"]

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


class LiteInfo(NamedTuple):
    """What our resolvers look at in an `info`."""

    context: Context
    path: Path


def resolver_of(field: GraphQLField) -> tuple[GraphQLFieldResolver, bool]:
    """The field's resolver, called like `GraphQLField.resolve`; and whether it is direct: takes a `LiteInfo`."""
    declared = (field.extensions or {}).get("strawberry-definition")
    whole = field.resolve or default_field_resolver
    if not isinstance(declared, StrawberryField) or declared.base_resolver is None or declared.extensions:
        return whole, False
    try:
        conversions = {sent: conversion_of(argument.type) for sent, argument in field.args.items()}
    except Unknown:
        return whole, False
    function: Any = declared.base_resolver.wrapped_func
    names = {sent: argument.python_name for sent, argument in zip(field.args, declared.arguments, strict=True)}
    if declared.base_resolver.info_parameter is None or declared.base_resolver.self_parameter is None:
        return whole, False

    converted = [(names[sent], sent, convert) for sent, convert in conversions.items() if convert is not None]

    def resolve(source: Any, info: LiteInfo, /, **arguments: Any) -> Any:
        given = {names[sent]: value for sent, value in arguments.items()}
        for name, sent, convert in converted:
            if sent in arguments:
                given[name] = convert(arguments[sent])
        return function(source, info, **given)

    return resolve, True
