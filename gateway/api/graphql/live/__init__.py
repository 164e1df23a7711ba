"""Operations whose answers come one by one: over WebSockets (graphql-transport-ws) and as events (graphql-sse)."""
