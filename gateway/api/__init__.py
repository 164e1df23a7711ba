"""The surfaces: GraphQL, gRPC and plain web endpoints. They call the service and import no source."""
