"""HTTP as values, the servers that carry it, and the endpoints that are no GraphQL: health, metrics, webhooks."""
