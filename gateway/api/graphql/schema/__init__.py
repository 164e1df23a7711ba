"""The GraphQL schema: types, inputs and root fields."""
