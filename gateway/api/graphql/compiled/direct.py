"""A root field's own function, called without the library's wrappers where those would change nothing.

Strawberry converts arguments and makes an `info` of its own in every call, which costs more than all that is behind a
small field. What is plain needs no conversion, and of an `info` our resolvers look at little.
"""

from typing import Any, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    default_field_resolver,
    get_nullable_type,
)
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from gateway.api.graphql.context import Context

__all__ = ["Light", "resolver_of"]

_PLAIN = frozenset({GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLString})


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
    kinds = [get_nullable_type(argument.type) for argument in field.args.values()]
    if not all(kind in _PLAIN or isinstance(kind, GraphQLEnumType) for kind in kinds):
        return whole, False
    function: Any = declared.base_resolver.wrapped_func
    names = {sent: argument.python_name for sent, argument in zip(field.args, declared.arguments, strict=True)}
    if declared.base_resolver.info_parameter is None or declared.base_resolver.self_parameter is None:
        return whole, False

    def resolve(source: Any, info: Light, /, **arguments: Any) -> Any:
        return function(source, info, **{names[name]: value for name, value in arguments.items()})

    return resolve, True
