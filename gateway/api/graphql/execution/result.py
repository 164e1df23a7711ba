"""The result of an operation."""

from typing import Any

import msgspec
from graphql import GraphQLError

from gateway.kit.rate_limit import Allowance

__all__ = ["Result"]


class Result(msgspec.Struct, frozen=True):
    """The answer to an operation; its errors are such as a client may see.

    `executed` is False if it was refused before: then the response has no `data`, not even null. `readable` is False if
    the document has a syntax error. `allowance` is that of the caller, where allowances are configured.
    `cache_status` states how far the answer is what was kept, as `Cache-Status` does (RFC 9211).
    """

    data: Any = None
    errors: list[GraphQLError] | None = None
    extensions: dict[str, Any] | None = None
    executed: bool = True
    readable: bool = True
    allowance: Allowance | None = None
    cache_status: str | None = None

    def payload(self) -> dict[str, Any]:
        """Return the response map of the GraphQL specification."""
        payload: dict[str, Any] = {}
        if self.errors:
            payload["errors"] = [error.formatted for error in self.errors]
        if self.executed:
            payload["data"] = self.data
        if self.extensions:
            payload["extensions"] = self.extensions
        return payload
