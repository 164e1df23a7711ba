"""Builds requests of GetUser over Connect, in protobuf, for the same users as over GraphQL."""

from benchmarks.grpc_load import METHOD, get_user_request
from benchmarks.load import post

__all__ = ["get_user"]


def get_user(port: int, n: int) -> bytes:
    """Return the bytes of the n-th request."""
    body = get_user_request(n).SerializeToString()
    return post(port, METHOD, body, n, {"Connect-Protocol-Version": "1"}, media_type="application/proto")
