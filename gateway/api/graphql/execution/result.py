"""What became of an operation."""

from typing import Any

import msgspec
from graphql import GraphQLError

from gateway.kit.rate_limit import Allowance

__all__ = ["Result"]


class Result(msgspec.Struct, frozen=True):
    """The answer to an operation; its errors are in our words already.

    `executed` is False where it was refused before: then there is no `data`, not even null. `readable` is False where
    it is no GraphQL at all. `allowance` is what its caller may still spend, where that is limited.
    """

    data: Any = None
    errors: list[GraphQLError] | None = None
    extensions: dict[str, Any] | None = None
    executed: bool = True
    readable: bool = True
    allowance: Allowance | None = None

    def payload(self) -> dict[str, Any]:
        """The answer as the specification's map."""
        payload: dict[str, Any] = {}
        if self.errors:
            payload["errors"] = [error.formatted for error in self.errors]
        if self.executed:
            payload["data"] = self.data
        if self.extensions:
            payload["extensions"] = self.extensions
        return payload
