"""Reads the Strawberry definition that a part of the GraphQL schema was built from."""

from typing import Any

from graphql import GraphQLArgument, GraphQLField, GraphQLInputField, GraphQLNamedType
from strawberry.schema.schema_converter import GraphQLCoreConverter

__all__ = ["definition_of"]


def definition_of(graphql_thing: GraphQLNamedType | GraphQLField | GraphQLInputField | GraphQLArgument) -> Any:
    """Return the Strawberry definition of a type, field or argument; None if Strawberry did not build it.

    Strawberry does not document where it keeps the definition. Checked with strawberry-graphql 0.341.2; pyproject.toml
    allows >=0.341.2,<0.342.
    """
    return graphql_thing.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
