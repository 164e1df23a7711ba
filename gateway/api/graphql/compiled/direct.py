"""A root field's own function, called without the library's wrappers where those would change nothing.

Strawberry converts arguments and makes an `info` of its own in every call, which costs more than all that is behind a
small field. What is plain needs no conversion, `conversions` makes the rest, and of an `info` our resolvers look at
little.
"""

from typing import Any, NamedTuple

from graphql import GraphQLField, GraphQLFieldResolver, default_field_resolver
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from gateway.api.graphql.compiled.conversions import Unknown, conversion_of
from gateway.api.graphql.context import Context

__all__ = ["Light", "resolver_of"]


class Light(NamedTuple):
    """What our resolvers look at in an `info`."""

    context: Context
    path: Path


def resolver_of(field: GraphQLField) -> tuple[GraphQLFieldResolver, bool]:
    """What gives the field's value, as `GraphQLField.resolve` does; and whether it is direct: takes a `Light` info."""
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

    def resolve(source: Any, info: Light, /, **arguments: Any) -> Any:
        given = {names[sent]: value for sent, value in arguments.items()}
        for name, sent, convert in converted:
            if sent in arguments:
                given[name] = convert(arguments[sent])
        return function(source, info, **given)

    return resolve, True
