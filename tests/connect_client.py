"""A client of the Connect protocol, which shows all that a response has."""

import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, ClientSession
from google.protobuf import json_format
from google.rpc import status_pb2

from gateway.api.connect.errors import code_name
from gateway.api.grpc.errors import RpcCode
from usergateway.v1 import users_pb2

__all__ = ["ConnectClient", "ConnectResult", "status_of_json", "trailers_of"]

_METHODS = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name
_CODES = {code_name(code): code for code in RpcCode}


@dataclass(slots=True)
class ConnectResult:
    """A response: its message or the status of its failure, and its trailers."""

    http_status: int
    headers: Any
    message: Any = None
    failure: status_pb2.Status | None = None
    trailers: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ConnectClient:
    """Calls methods at a base URL."""

    session: ClientSession
    url: str

    def path(self, method: str) -> str:
        """Return the URL of a method."""
        return f"{self.url}/usergateway.v1.UserService/{method}"

    async def call(
        self,
        method: str,
        request: Any = None,
        /,
        *,
        as_json: bool = False,
        sent: dict[str, str] | None = None,
        **fields: Any,
    ) -> ConnectResult:
        """Call a unary method; the request may be given by its fields."""
        kinds = _METHODS[method].input_type, _METHODS[method].output_type
        request_kind, response_kind = (getattr(users_pb2, kind.name) for kind in kinds)
        message = request or request_kind(**fields)
        body = json_format.MessageToJson(message).encode() if as_json else message.SerializeToString()
        media_type = "application/json" if as_json else "application/proto"
        headers = {"Content-Type": media_type, **(sent or {})}
        async with self.session.post(self.path(method), data=body, headers=headers) as response:
            content = await response.read()
        trailers = trailers_of(response)
        if response.status != 200:
            assert response.content_type == "application/json", content
            failure = status_of_json(json.loads(content))
            return ConnectResult(response.status, response.headers, failure=failure, trailers=trailers)
        assert response.content_type == media_type
        parsed = json_format.Parse(content, response_kind()) if as_json else response_kind.FromString(content)
        return ConnectResult(response.status, response.headers, parsed, trailers=trailers)


def trailers_of(response: ClientResponse) -> dict[str, Any]:
    """Return the trailers of a unary response, by their names in gRPC."""
    names = {name.lower().removeprefix("trailer-"): name for name in response.headers if name[:8].lower() == "trailer-"}
    return {
        name: _decoded(response.headers[full]) if name.endswith("-bin") else response.headers[full]
        for name, full in names.items()
    }


def status_of_json(error: Any) -> status_pb2.Status:
    """Return the status in the JSON of an error; each detail has the same content in both of its forms."""
    status = status_pb2.Status(code=_CODES[error["code"]], message=error.get("message", ""))
    for detail in error.get("details", ()):
        packed = status.details.add(type_url=f"type.googleapis.com/{detail['type']}", value=_decoded(detail["value"]))
        shown = json_format.MessageToDict(packed)
        assert shown.pop("@type") == packed.type_url
        assert detail["debug"] == shown
    return status


def _decoded(text: str) -> bytes:
    assert "=" not in text
    return b64decode(text + "=" * (-len(text) % 4))
