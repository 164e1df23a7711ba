"""The Connect protocol (connectrpc.com): the methods of the gRPC service by plain HTTP, also from browsers."""
