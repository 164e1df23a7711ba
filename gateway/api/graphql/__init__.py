"""The GraphQL surface: the schema, and how it is served."""
