"""A source with fixed results, and calls to it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from gateway.errors import GatewayError, Outcome, SourceTimeout, SourceUnavailable
from gateway.operation import uses_spare_budget
from gateway.sources.account.errors import account_error
from gateway.sources.http.exchange import Request, Response, Step
from gateway.sources.http.observing import CallEvent

OK = Response(200, {}, b"{}")


def response(status: int, body: Any = None, **headers: str) -> Response:
    """Return a response; header names have underscores instead of hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"" if body is None else orjson.dumps(body))


def call(method: str = "GET", path: str = "/users", **headers: str) -> Request:
    """Return a request; header names have underscores instead of hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("account", method, f"http://source{path}", path, named, to_error=account_error)


UNAVAILABLE = response(503, {"error": {"code": "service_unavailable", "message": "Later."}})
"""A 503 that the source documents; one with any other body may be that of a proxy, after the call was executed."""

READ = call()
KEYED = call("POST", Idempotency_Key="k")
SETS = call("PUT")
BARE = call("POST")

REFUSED = SourceUnavailable("refused")
LOST = SourceUnavailable("lost", outcome=Outcome.UNKNOWN)
SLOW = SourceTimeout("slow", outcome=Outcome.UNKNOWN)
READ_LOST = SourceUnavailable("lost")

Scripted = Response | BaseException | tuple[float, Response | BaseException]


class Source:
    """Returns or raises the results in their order, and repeats the last one; for a pair it first waits the seconds."""

    def __init__(self, *results: Scripted) -> None:
        self._results = list(results) or [OK]
        self.sent: list[tuple[float, Request]] = []
        self.cancelled = 0

    async def __call__(self, request: Request) -> Response:
        self.sent.append((asyncio.get_running_loop().time(), request))
        if request.on_write is not None:
            request.on_write()
        scripted = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        seconds, result = scripted if isinstance(scripted, tuple) else (0.0, scripted)
        try:
            if seconds:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(result, BaseException):
            raise result
        return result

    @property
    def count(self) -> int:
        return len(self.sent)


class Log:
    """An observer that keeps the events."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def __call__(self, event: CallEvent, /) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The names of the events, with the detail where there is one."""
        return [f"{call.event}:{call.detail}" if call.detail else call.event.value for call in self.events]


async def outcome(step: Callable[..., Any], request: Request, source: Any) -> Response | GatewayError:
    """Return the response or the exception of a call through the step."""
    try:
        result: Response = await step(request, source)
    except GatewayError as error:
        return error
    return result


async def spare(step: Callable[..., Any], request: Request, source: Any) -> Response | GatewayError:
    """Do the same with a call that nobody waits for."""
    before = uses_spare_budget.set(True)
    try:
        return await outcome(step, request, source)
    finally:
        uses_spare_budget.reset(before)


def through(steps: Iterable[Step], source: Any) -> Callable[[Request], Any]:
    """Return a function that sends a request through the steps to the source, as `exchange.pipeline` does."""
    send = source
    for step in reversed(list(steps)):
        send = _bound(step, send)
    return send


def _bound(step: Step, send: Any) -> Any:
    async def bound(request: Request) -> Response:
        return await step(request, send)

    return bound
