"""Errors of Connect: its names for the codes, the statuses of HTTP, and the JSON of an error with its details."""

from base64 import b64encode
from typing import Any

import orjson
from google.protobuf import any_pb2
from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2

from gateway.api.grpc.errors import RpcCode

__all__ = ["HTTP_STATUS", "code_name", "error_bytes", "error_value", "header_value"]

HTTP_STATUS = {
    RpcCode.CANCELLED: 499,
    RpcCode.UNKNOWN: 500,
    RpcCode.INVALID_ARGUMENT: 400,
    RpcCode.DEADLINE_EXCEEDED: 504,
    RpcCode.NOT_FOUND: 404,
    RpcCode.ALREADY_EXISTS: 409,
    RpcCode.PERMISSION_DENIED: 403,
    RpcCode.RESOURCE_EXHAUSTED: 429,
    RpcCode.FAILED_PRECONDITION: 400,
    RpcCode.ABORTED: 409,
    RpcCode.OUT_OF_RANGE: 400,
    RpcCode.UNIMPLEMENTED: 501,
    RpcCode.INTERNAL: 500,
    RpcCode.UNAVAILABLE: 503,
    RpcCode.DATA_LOSS: 500,
    RpcCode.UNAUTHENTICATED: 401,
}
"""The status of a unary response with an error, as Connect defines it for each code."""


def code_name(code: RpcCode) -> str:
    """Return the name of a code in Connect, e.g. `not_found`."""
    return "canceled" if code is RpcCode.CANCELLED else code.name.lower()


def error_value(status: status_pb2.Status) -> dict[str, Any]:
    """Return an error as the value of its JSON. The details are also readable, under `debug`."""
    value: dict[str, Any] = {"code": code_name(RpcCode(status.code))}
    if status.message:
        value["message"] = status.message
    if status.details:
        value["details"] = [_detail(detail) for detail in status.details]
    return value


def error_bytes(status: status_pb2.Status) -> bytes:
    """Return an error as JSON."""
    return orjson.dumps(error_value(status))


def header_value(content: bytes) -> str:
    """Return the value of a header field for bytes; its name ends in `-bin`."""
    return b64encode(content).rstrip(b"=").decode()


def _detail(detail: any_pb2.Any) -> dict[str, Any]:
    debug = MessageToDict(detail)
    del debug["@type"]
    return {"type": detail.TypeName(), "value": header_value(detail.value), "debug": debug}
