"""Resolvers of root fields: the declared function, called without Strawberry's wrappers if these change nothing.

In each call, Strawberry converts the arguments and creates its `info`, which costs more than all that a small field
does. Scalars and enums need no conversion, and `conversion_of` converts the rest: an input object becomes a dict of
the attributes of Strawberry's object that are not UNSET, as our resolvers use it (`to_plain`). Of an `info` they use
only `context` and `path`.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

import msgspec
from graphql import (
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    default_field_resolver,
)
from graphql.pyutils import Path
from strawberry import UNSET
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gateway.api.graphql.definitions import definition_of
from gateway.api.graphql.execution.context import Context

__all__ = ["Conversion", "LiteInfo", "NoConversionError", "conversion_of", "resolver_of"]

Conversion = Callable[[Any], Any]
"""Converts a coerced value to the value that a resolver expects."""


class NoConversionError(Exception):
    """An input type whose values only Strawberry can convert."""


def conversion_of(type_: Any) -> Conversion | None:
    """Return the conversion for values of an input type; None if a resolver expects the coerced value.

    Raises:
        NoConversionError: the type is not composed of lists, plain input objects, scalars and enums.
    """
    if isinstance(type_, GraphQLNonNull):
        return conversion_of(type_.of_type)
    if isinstance(type_, GraphQLList):
        return _list(conversion_of(type_.of_type))
    if isinstance(type_, GraphQLInputObjectType):
        return _object(type_)
    return None


def _list(convert: Conversion | None) -> Conversion:
    if convert is None:
        return lambda value: None if value is None else list(value)
    return lambda value: None if value is None else [convert(item) for item in value]


def _object(type_: GraphQLInputObjectType) -> Conversion:
    definition = definition_of(type_)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.from_input is not None:
        raise NoConversionError
    if any(field.default_factory is not MISSING for field in definition.fields):
        raise NoConversionError
    fields = [
        (key, field.python_name, conversion_of(type_.fields[key].type))
        for key, field in zip(type_.fields, definition.fields, strict=True)
    ]
    defaults = {
        field.python_name: None if field.default_value is MISSING else field.default_value
        for field in definition.fields
        if field.default_value is not UNSET
    }

    def convert(value: Any) -> Any:
        if value is None:
            return None
        attributes = defaults.copy()
        for key, name, conversion in fields:
            if key in value:
                field_value = value[key]
                attributes[name] = field_value if conversion is None else conversion(field_value)
        return attributes

    return convert


class LiteInfo(msgspec.Struct, eq=False):
    """The part of an `info` that our resolvers use."""

    context: Context
    path: Path


def resolver_of(field: GraphQLField) -> tuple[GraphQLFieldResolver, bool]:
    """Return the resolver of a root field, and whether it is direct.

    A direct resolver is the declared function with converted arguments, and takes a `LiteInfo`. Any other one is
    Strawberry's wrapper. Both are called like `GraphQLField.resolve`.
    """
    definition = definition_of(field)
    wrapped = field.resolve or default_field_resolver
    if not isinstance(definition, StrawberryField) or definition.base_resolver is None or definition.extensions:
        return wrapped, False
    try:
        conversions = {key: conversion_of(argument.type) for key, argument in field.args.items()}
    except NoConversionError:
        return wrapped, False
    function: Any = definition.base_resolver.wrapped_func
    names = {key: argument.python_name for key, argument in zip(field.args, definition.arguments, strict=True)}
    if definition.base_resolver.info_parameter is None or definition.base_resolver.self_parameter is None:
        return wrapped, False

    if not any(conversions.values()) and all(name == key for key, name in names.items()):
        return function, True

    converted = [(key, convert) for key, convert in conversions.items() if convert is not None]
    renamed = [(key, name) for key, name in names.items() if key != name]

    def resolve(source: Any, info: LiteInfo, /, **arguments: Any) -> Any:
        for key, convert in converted:
            if key in arguments:
                arguments[key] = convert(arguments[key])
        for key, name in renamed:
            if key in arguments:
                arguments[name] = arguments.pop(key)
        return function(source, info, **arguments)

    return resolve, True
