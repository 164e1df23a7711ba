"""Version 1 of the API. `users.proto` is the source; `python -m gateway.api.grpc.generate` writes the Python code."""
