"""Builds the schema from the types and resolvers in this package, which are declared with Strawberry."""

from graphql import (
    ASTValidationRule,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    ValuesOfCorrectTypeRule,
    specified_rules,
)
from strawberry import Schema
from strawberry.schema.config import StrawberryConfig

from gateway.api.graphql.execution.document_errors import LiteralsOfCorrectType
from gateway.api.graphql.execution.stream_counts import StreamInitialCount
from gateway.api.graphql.federation.rule import NoSubgraphSchema
from gateway.api.graphql.schema.mutations import MutationObject
from gateway.api.graphql.schema.overview import describe, printed_in_order
from gateway.api.graphql.schema.queries import QueryObject
from gateway.api.graphql.schema.scalars import SCALARS
from gateway.api.graphql.schema.subscriptions import SubscriptionObject
from gateway.api.graphql.schema.users import OrganizationObject

__all__ = ["build_schema", "executable", "rules", "sdl"]

_WITHOUT_INTROSPECTION = (NoSchemaIntrospectionCustomRule, NoSubgraphSchema)


def build_schema(query: type = QueryObject) -> Schema:
    """Return the schema of the API. `query` is the root of queries, with or without fields of a subgraph."""
    schema = Schema(
        query=query,
        mutation=MutationObject,
        subscription=SubscriptionObject,
        types=[OrganizationObject],
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
    )
    describe(executable(schema))
    return schema


def executable(schema: Schema) -> GraphQLSchema:
    """Return the schema of graphql-core: Strawberry's method to execute parses, validates and wraps every time."""
    # Private, and read nowhere else. Checked with strawberry-graphql 0.341.2, pinned as >=0.341.2,<0.342.
    return schema._schema  # noqa: SLF001 - Strawberry has no public name for it


def rules(*, introspection: bool) -> tuple[type[ASTValidationRule], ...]:
    """Return the validation rules for documents. Without `introspection`, clients cannot read the schema."""
    specified = (LiteralsOfCorrectType if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules)
    return (*specified, StreamInitialCount, *(() if introspection else _WITHOUT_INTROSPECTION))


def sdl() -> str:
    """Return the schema in the schema definition language, as in `schema.graphql`."""
    return printed_in_order(build_schema())
