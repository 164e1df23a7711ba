"""GraphQL over HTTP: the endpoint, parsing, content negotiation, the CSRF rule, uploads and responses."""
