"""Version 1 of the API. `users.proto` is the source; `gateway.api.grpc.generate` generates the Python code."""
