"""The gRPC surface: the .proto, the server, the servicer and the table of statuses."""
