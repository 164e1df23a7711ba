"""A root field's own function, called without the library's wrappers where those would change nothing.

Strawberry converts arguments and makes an `info` of its own in every call, which costs more than all that is behind a
small field. What is plain needs no conversion, and graphql-core's `info` has all that our resolvers look at.
"""

from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLResolveInfo,
    GraphQLString,
    default_field_resolver,
    get_nullable_type,
)
from strawberry.types.field import StrawberryField

__all__ = ["resolver_of"]

_PLAIN = frozenset({GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLString})


def resolver_of(field: GraphQLField) -> GraphQLFieldResolver:
    """What gives the field's value, as `GraphQLField.resolve` does."""
    declared = (field.extensions or {}).get("strawberry-definition")
    whole = field.resolve or default_field_resolver
    if not isinstance(declared, StrawberryField) or declared.base_resolver is None or declared.extensions:
        return whole
    kinds = [get_nullable_type(argument.type) for argument in field.args.values()]
    if not all(kind in _PLAIN or isinstance(kind, GraphQLEnumType) for kind in kinds):
        return whole
    function: Any = declared.base_resolver.wrapped_func
    names = {sent: argument.python_name for sent, argument in zip(field.args, declared.arguments, strict=True)}
    if declared.base_resolver.info_parameter is None or declared.base_resolver.self_parameter is None:
        return whole

    def resolve(source: Any, info: GraphQLResolveInfo[Any], /, **arguments: Any) -> Any:
        return function(source, info, **{names[name]: value for name, value in arguments.items()})

    return resolve
