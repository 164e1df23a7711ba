"""GraphQL over HTTP: the endpoint, parsing, content negotiation, the CSRF check, uploads and responses."""
