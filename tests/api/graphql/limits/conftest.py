"""The schema and the cost model of the gateway."""

import pytest
from graphql import GraphQLSchema

from gateway.api.graphql.limits.cost_model import CostModel
from gateway.api.graphql.schema.build import build_schema, executable


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    """The schema of the API."""
    return executable(build_schema())


@pytest.fixture(scope="session")
def cost_model(schema: GraphQLSchema) -> CostModel:
    """The cost of its fields."""
    return CostModel(schema)
