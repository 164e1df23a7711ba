"""A proxy in front of the sandbox that alters its responses."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web
from web_app import running

__all__ = ["VALUES", "AlteringProxy"]

VALUES: list[Any] = [
    *(None, True, 0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1.5, 1e308),
    *("", "x" * 5000, "\x00", "\u2028", "..", "-0", "é" * 300, "https://a.example/", "null"),
    *("9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z"),
    *([], {}, [[]], [None], ["a"], {"id": 1}, {"data": None}, [{}] * 50),
]
"""Values that no source documents, or hardly any."""

_NOT_FORWARDED = {"host", "content-length", "accept-encoding"}


@dataclass
class AlteringProxy:
    """Replaces the value of the field `name` by `value`, in all objects of a response."""

    base: str
    name: str | None = None
    value: Any = None
    url: str = ""
    names: set[str] = field(default_factory=set)
    """The names of all fields in the responses so far."""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["AlteringProxy"]:
        """Run the proxy until the block ends."""
        async with ClientSession() as session:

            async def forward(request: web.Request) -> web.Response:
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
                body = await request.read()
                async with session.request(
                    request.method, self.base + request.raw_path, data=body, headers=headers
                ) as source_response:
                    body = self._alter(await source_response.json(content_type=None))
                    return web.Response(
                        status=source_response.status, text=json.dumps(body), content_type="application/json"
                    )

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", forward)
            async with running(app) as self.url:
                yield self

    def _alter(self, value: Any) -> Any:
        if isinstance(value, dict):
            self.names.update(value)
            return {name: self.value if name == self.name else self._alter(item) for name, item in value.items()}
        return [self._alter(item) for item in value] if isinstance(value, list) else value
