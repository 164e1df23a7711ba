"""The packages of the gRPC API, by their names in the .proto: messages and stubs for clients. Public."""
