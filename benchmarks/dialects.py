"""How a server is asked, and how its answer is read into the one shape that all are compared in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from benchmarks.load import post
from benchmarks.operations import Operation

__all__ = ["ByHand", "Dialect", "GraphQL", "SourceShaped"]


class Dialect(Protocol):
    """One way to ask."""

    def request(self, port: int, operation: Operation, n: int) -> bytes:
        """The n-th request of an operation, ready to be sent."""

    def read(self, body: bytes) -> Any:
        """What an answer says, in our API's words."""


@dataclass(frozen=True, slots=True)
class GraphQL:
    """Our API's documents; `documents` has a server's own, by the operation's name, where it is asked differently.

    `headers` are sent with every request, e.g. credentials.
    """

    documents: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, port: int, operation: Operation, n: int) -> bytes:
        document = self.documents.get(operation.name, operation.document)
        body = orjson.dumps({"query": document, "variables": operation.variables(n)})
        return post(port, "/graphql", body, n, self.headers)

    def read(self, body: bytes) -> Any:
        return orjson.loads(body)["data"]


@dataclass(frozen=True, slots=True)
class SourceShaped(GraphQL):
    """A gateway that declares a source as it is hands on the source's own shape: its clients do the rest."""

    def read(self, body: bytes) -> Any:
        data = orjson.loads(body)["data"]
        if "users" in data:
            return {"users": {"nodes": [_user(one) for one in data["users"]["data"]]}}
        return {name: _user(one) for name, one in data.items()}


class ByHand:
    """A path an operation, the variables as its body."""

    def request(self, port: int, operation: Operation, n: int) -> bytes:
        return post(port, f"/{operation.name}", orjson.dumps(operation.variables(n)), n)

    def read(self, body: bytes) -> Any:
        return orjson.loads(body)["data"]


def _user(one: Any) -> dict[str, Any]:
    role, department = one["role"], one["department"]
    return {
        "sourceId": one["sourceId"],
        **one["user"],
        "status": one["status"].upper(),
        "role": _without_full(role),
        "department": _without_full(department),
    }


def _without_full(record: dict[str, Any]) -> dict[str, Any]:
    """What a lookup brought stands one level deeper there; the owner's type is the source's word."""
    flat: dict[str, Any] = {name: value for name, value in record.items() if name != "full"} | record.get("full", {})
    if "owner" in flat:
        flat["owner"] = {"type": flat["owner"]["type"].upper()}
    return flat
