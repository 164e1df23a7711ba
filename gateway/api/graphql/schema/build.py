"""The schema: Strawberry is the one place where types and resolvers are declared."""

from graphql import ASTValidationRule, GraphQLSchema, NoSchemaIntrospectionCustomRule, specified_rules
from strawberry import Schema
from strawberry.schema.config import StrawberryConfig

from gateway.api.graphql.schema.mutations import MutationObject
from gateway.api.graphql.schema.queries import QueryObject
from gateway.api.graphql.schema.scalars import SCALARS
from gateway.api.graphql.schema.subscriptions import SubscriptionObject
from gateway.api.graphql.schema.users import OrganizationObject

__all__ = ["build_schema", "executable", "rules", "sdl"]


def build_schema() -> Schema:
    """The schema of the API."""
    return Schema(
        query=QueryObject,
        mutation=MutationObject,
        subscription=SubscriptionObject,
        types=[OrganizationObject],
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
    )


def executable(schema: Schema) -> GraphQLSchema:
    """graphql-core's form of the schema: Strawberry's own way to execute parses, validates and wraps every time."""
    return schema._schema  # noqa: SLF001 - there is no public name for it; tests would show that it has gone


def rules(*, introspection: bool) -> tuple[type[ASTValidationRule], ...]:
    """What a document is validated by: without introspection the schema tells a stranger nothing."""
    return (*specified_rules, *(() if introspection else (NoSchemaIntrospectionCustomRule,)))


def sdl() -> str:
    """The schema in its definition language, as `schema.graphql` holds it."""
    return build_schema().as_str() + "\n"
