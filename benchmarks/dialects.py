"""Builds requests for a server, and converts its responses to the shape in which all servers are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from benchmarks.load import post
from benchmarks.operations import Operation

__all__ = ["Dialect", "GraphQL", "HandWritten", "SourceShaped"]


class Dialect(Protocol):
    """The format of the requests and responses of a server."""

    def build_request(self, port: int, operation: Operation, n: int) -> bytes:
        """Return the bytes of the n-th request of an operation."""

    def parse_response(self, body: bytes) -> Any:
        """Return the data of a response, in the shape of the API of this gateway."""


@dataclass(frozen=True, slots=True)
class GraphQL:
    """GraphQL with the documents of this gateway, or with `documents` of the server, by operation name.

    `headers` are sent with every request, for example credentials.
    """

    documents: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def build_request(self, port: int, operation: Operation, n: int) -> bytes:
        document = self.documents.get(operation.name, operation.document)
        body = orjson.dumps({"query": document, "variables": operation.variables(n)})
        return post(port, "/graphql", body, n, self.headers)

    def parse_response(self, body: bytes) -> Any:
        return orjson.loads(body)["data"]


@dataclass(frozen=True, slots=True)
class SourceShaped(GraphQL):
    """GraphQL of a gateway that returns records in the shape of the source; they are converted here."""

    def parse_response(self, body: bytes) -> Any:
        data = orjson.loads(body)["data"]
        if "users" in data:
            return {"users": {"nodes": [_user(user) for user in data["users"]["data"]]}}
        return {name: _user(user) for name, user in data.items()}


class HandWritten:
    """One path for each operation, with the variables as the body."""

    def build_request(self, port: int, operation: Operation, n: int) -> bytes:
        return post(port, f"/{operation.name}", orjson.dumps(operation.variables(n)), n)

    def parse_response(self, body: bytes) -> Any:
        return orjson.loads(body)["data"]


def _user(user: Any) -> dict[str, Any]:
    role, department = user["role"], user["department"]
    return {
        "sourceId": user["sourceId"],
        **user["user"],
        "status": user["status"].upper(),
        "role": _without_full(role),
        "department": _without_full(department),
    }


def _without_full(record: dict[str, Any]) -> dict[str, Any]:
    """Move the looked-up fields one level up, and convert the type of the owner to its enum value."""
    flat: dict[str, Any] = {name: value for name, value in record.items() if name != "full"} | record.get("full", {})
    if "owner" in flat:
        flat["owner"] = {"type": flat["owner"]["type"].upper()}
    return flat
