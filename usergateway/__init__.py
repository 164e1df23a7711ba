"""The packages of the gRPC API, by their names in the .proto: messages and stubs for clients. Public."""

from importlib.util import find_spec

if not all(map(find_spec, ("google", "grpc"))):
    raise ImportError("usergateway needs packages that are not installed: pip install 'user-gateway[grpc]'")
