"""The gateway's own schema, for limits and prices."""

import pytest
from graphql import GraphQLSchema

from gateway.api.graphql.limits.cost_model import Tariff
from gateway.api.graphql.schema.build import build_schema, executable


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    """The schema as it is served."""
    return executable(build_schema())


@pytest.fixture(scope="session")
def tariff(schema: GraphQLSchema) -> Tariff:
    """Its charges."""
    return Tariff(schema)
