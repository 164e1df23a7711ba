"""The gRPC surface: the .proto, the servicer, the status table."""
