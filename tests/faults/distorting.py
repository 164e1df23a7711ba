"""A proxy in front of a source that carries out calls, or not, and returns another response."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web
from web_app import running

__all__ = ["Distortion", "Lossy"]

_NOT_FORWARDED = {"host", "content-length", "accept-encoding"}
_NOT_RETURNED = {"content-length", "content-encoding", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Distortion:
    """What happens to one call.

    It is `forwarded` to the source, without the headers `removed`, and answered with `status` and `body`.
    """

    forwarded: bool = True
    status: int = 502
    body: bytes = b"<html>Bad gateway</html>"
    removed: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})


@dataclass
class Lossy:
    """A proxy to `base`. `planned` has the distortions of the next calls by method; `calls` are those that arrived."""

    base: str
    url: str = ""
    planned: dict[str, list[Distortion]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def plan(self, method: str, *distortions: Distortion) -> None:
        """Distort the next calls of a method."""
        self.planned.setdefault(method, []).extend(distortions)

    def writes(self) -> int:
        """Return how many calls were no reads."""
        return sum(method != "GET" for method in self.calls)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Lossy"]:
        """Run the proxy until the block ends."""
        async with ClientSession(auto_decompress=True) as session:

            async def forward(request: web.Request) -> web.Response:
                self.calls.append(request.method)
                waiting = self.planned.get(request.method) or []
                distortion = waiting.pop(0) if waiting else None
                if distortion is not None and not distortion.forwarded:
                    return _response(distortion)
                left_out = _NOT_FORWARDED | (distortion.removed if distortion else set())
                headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
                async with session.request(
                    request.method, self.base + request.raw_path, data=await request.read(), headers=headers
                ) as response:
                    body = await response.read()
                    if distortion is not None:
                        return _response(distortion)
                    kept: Any = [item for item in response.headers.items() if item[0].lower() not in _NOT_RETURNED]
                    return web.Response(status=response.status, body=body, headers=kept)

            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{path:.*}", forward)
            async with running(app) as self.url:
                yield self


def _response(distortion: Distortion) -> web.Response:
    return web.Response(status=distortion.status, body=distortion.body, headers=distortion.headers)
