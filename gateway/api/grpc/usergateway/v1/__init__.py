"""Version 1 of the API: `users.proto` is written by hand, the Python beside it by `gateway.api.grpc.generate`."""
