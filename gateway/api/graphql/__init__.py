"""The GraphQL surface: the schema, and the code that serves it."""
