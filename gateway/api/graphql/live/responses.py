"""GraphQL responses of live operations: serialized once, sent to any number of clients."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Self

import orjson
from graphql import GraphQLError, SourceLocation

from gateway.api.graphql.execution.result import Result
from gateway.operation import background_context
from gateway.telemetry.report import RequestReport

__all__ = ["LiveResponse", "ResponseCache"]


@dataclass(frozen=True, slots=True)
class LiveResponse:
    """A GraphQL response as JSON text.

    `errors` is the list of errors as JSON where the response has no data because the operation was refused or has
    ended; such a response is the last one. `event_id` is the id of the event that was executed, if it was an event.
    `codes` are those of all errors.
    """

    text: str
    errors: str | None = None
    event_id: str = ""
    codes: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Result, event_id: str = "") -> Self:
        """Serialize a result."""
        payload = result.payload()
        errors = None if result.executed else orjson.dumps(payload["errors"]).decode()
        codes = tuple((error.extensions or {})["code"] for error in result.errors or ())
        return cls(orjson.dumps(payload).decode(), errors, event_id, codes)

    def result(self) -> Result:
        """Return the response as a result again, for a client in this process."""
        payload = orjson.loads(self.text)
        errors = [_error(error) for error in payload.get("errors", ())]
        return Result(payload.get("data"), errors or None, payload.get("extensions"), executed=self.errors is None)

    def add_to(self, report: RequestReport) -> None:
        """Count this response in the report of the operation that it is sent for."""
        report.messages += 1
        for code in self.codes:
            report.add_code(code)


def _error(formatted: dict[str, Any]) -> GraphQLError:
    error = GraphQLError(formatted["message"], path=formatted.get("path"), extensions=formatted.get("extensions"))
    error.locations = [SourceLocation(**location) for location in formatted.get("locations", ())] or None
    return error


_LIFETIME = 1.0  # seconds: feeds that reach an event later execute it again, with records that are up to date


class ResponseCache:
    """Keeps the response to each event for a second, so that feeds with equal subscriptions execute an event once.

    The records that an event needs are thus looked up once for these feeds, and anew for the next event. A response
    that is being made is completed even if the feed that first requested it stops.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, tuple[float, asyncio.Task[LiveResponse]]] = OrderedDict()
        self._running: set[asyncio.Task[LiveResponse]] = set()

    def get(self, key: Hashable, execute: Callable[[], Coroutine[Any, Any, LiveResponse]]) -> Awaitable[LiveResponse]:
        """Return the response of that key. If there is none, call `execute`, which must not raise, to make it."""
        now = time.monotonic()
        while self._entries and next(iter(self._entries.values()))[0] <= now:
            self._entries.popitem(last=False)
        entry = self._entries.get(key)
        if entry is None:
            # An empty context: the deadline of the first feed must not apply to the others.
            task = asyncio.get_running_loop().create_task(execute(), context=background_context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            entry = self._entries[key] = (now + _LIFETIME, task)
        return asyncio.shield(entry[1])

    async def aclose(self) -> None:
        """Cancel the responses that are being made."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
