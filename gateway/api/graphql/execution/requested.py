"""The extensions of a response that a client requests: the cost of the operation, and the calls that it caused."""

from typing import Any

from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.calls import CallList
from gateway.kit.rate_limit import Allowance

__all__ = ["RequestedExtensions"]


class RequestedExtensions:
    """The `cost` and the `calls` of one operation, as far as its request has them as `true` in its `extensions`.

    `recorder` records the calls while the operation is executed: the list that the operation has anyway, if there is
    one.
    """

    __slots__ = ("_calls", "_cost", "recorder")

    def __init__(self, request: GraphQLRequest, calls: CallList | None, *, may_see_calls: bool) -> None:
        self._cost: dict[str, int] | None = {} if request.extensions.get("cost") is True else None
        shows_calls = may_see_calls and request.extensions.get("calls") is True
        self._calls = (CallList() if calls is None else calls) if shows_calls else None
        self.recorder = self._calls or calls

    def charged(self, cost: int, limit: int, allowance: Allowance | None) -> None:
        """Note what the operation costs, what one operation may cost, and the rest of the caller's allowance."""
        if self._cost is not None:
            self._cost |= {"requested": cost, "limit": limit}
            if allowance is not None:
                self._cost["remaining"] = allowance.remaining

    async def settle(self) -> None:
        """Let the calls end that were cancelled at the end of the execution, so that the log has them."""
        if self._calls is not None:
            await self._calls.settle()

    def added_to(self, extensions: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the extensions of a result with those that were requested; times of calls are in milliseconds."""
        requested: dict[str, Any] = {}
        if self._cost:
            requested["cost"] = self._cost
        if self._calls is not None:
            requested["calls"] = [
                {
                    "source": record.endpoint.source.upper(),
                    "method": record.endpoint.method,
                    "template": record.endpoint.template,
                    "status": record.status,
                    "start": round(record.start * 1000, 2),
                    "duration": round(record.duration * 1000, 2),
                    "kind": record.kind,
                }
                for record in sorted(self._calls.records, key=lambda record: record.start)
            ]
        return {**(extensions or {}), **requested} if requested else extensions
