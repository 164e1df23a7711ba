"""A source made of a list of answers, and calls to it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from gateway.errors import GatewayError, Outcome, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Request, Response, Step
from gateway.sources.http.observing import CallEvent

OK = Response(200, {}, b"{}")


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """An answer; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"" if body is None else orjson.dumps(body))


def call(method: str = "GET", path: str = "/users", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("account", method, f"http://source{path}", path, named)


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
    """Gives its answers in turn, the last one for ever; a pair takes that many seconds first."""

    def __init__(self, *answers: Scripted) -> None:
        self._answers = list(answers) or [OK]
        self.sent: list[tuple[float, Request]] = []
        self.cancelled = 0

    async def __call__(self, request: Request) -> Response:
        self.sent.append((asyncio.get_running_loop().time(), request))
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        seconds, result = given if isinstance(given, tuple) else (0.0, given)
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
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def __call__(self, event: CallEvent, /) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[str]:
        return [f"{one.happening}:{one.detail}" if one.detail else one.happening.value for one in self.events]


async def outcome(step: Callable[..., Any], request: Request, source: Any) -> Response | GatewayError:
    """What a call through the step ends with."""
    try:
        result: Response = await step(request, source)
    except GatewayError as error:
        return error
    return result


def through(steps: Iterable[Step], source: Any) -> Callable[[Request], Any]:
    """The steps in front of the source, as `exchange.pipeline` puts them."""
    send = source
    for step in reversed(list(steps)):
        send = _bound(step, send)
    return send


def _bound(step: Step, send: Any) -> Any:
    async def go(request: Request) -> Response:
        return await step(request, send)

    return go
