"""The schema: Strawberry is the one place where types and resolvers are declared."""

from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import DisableIntrospection, ValidationCache
from strawberry.schema.config import StrawberryConfig

from gateway.api.graphql.mutations import Mutation
from gateway.api.graphql.operation import Operation
from gateway.api.graphql.queries import Query
from gateway.api.graphql.scalars import SCALARS
from gateway.api.graphql.users import Organization

__all__ = ["build_schema", "sdl"]

_DOCUMENTS = 1000  # validated documents that are kept


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Nothing: Strawberry would log a client's mistakes with a traceback; `Operation` logs our defects."""


def build_schema(*, introspection: bool = True, suggestions: bool = True) -> strawberry.Schema:
    """The schema of the API; without introspection and suggestions it tells a stranger nothing."""
    extensions: Sequence[Any] = [
        Operation,
        lambda: ValidationCache(maxsize=_DOCUMENTS),
        *([] if introspection else [DisableIntrospection]),
    ]
    return _Schema(
        query=Query,
        mutation=Mutation,
        types=[Organization],
        extensions=extensions,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not suggestions),
    )


def sdl() -> str:
    """The schema in its definition language, as `schema.graphql` holds it."""
    return build_schema().as_str() + "\n"
