"""HTTP requests and responses as values, the servers, and the endpoints besides GraphQL: health, metrics, webhooks."""
