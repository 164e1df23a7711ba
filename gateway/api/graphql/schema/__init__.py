"""The GraphQL schema: its types, root fields and inputs, and how they are built into one."""
