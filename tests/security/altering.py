"""The sandbox behind somebody who alters its answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

__all__ = ["VALUES", "Altering"]

VALUES: list[Any] = [
    *(None, True, 0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1.5, 1e308),
    *("", "x" * 5000, "\x00", "\u2028", "..", "-0", "é" * 300, "https://a.example/", "null"),
    *("9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z"),
    *([], {}, [[]], [None], ["a"], {"id": 1}, {"data": None}, [{}] * 50),
]
"""What no system documents, or hardly."""

_OWN = {"host", "content-length", "accept-encoding"}


@dataclass
class Altering:
    """It: `name` is what is altered in all objects of an answer, `value` what is there instead."""

    base: str
    name: str | None = None
    value: Any = None
    url: str = ""
    names: set[str] = field(default_factory=set)
    """All names that answers had so far."""

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Altering"]:
        """It, behind a socket."""
        async with ClientSession() as session:

            async def passed_on(request: web.Request) -> web.Response:
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
                body = await request.read()
                async with session.request(
                    request.method, self.base + request.raw_path, data=body, headers=headers
                ) as answer:
                    said = self._altered(await answer.json(content_type=None))
                    return web.Response(status=answer.status, text=json.dumps(said), content_type="application/json")

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", passed_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield self
            finally:
                await runner.cleanup()

    def _altered(self, value: Any) -> Any:
        if isinstance(value, dict):
            self.names.update(value)
            return {name: self.value if name == self.name else self._altered(inside) for name, inside in value.items()}
        return [self._altered(one) for one in value] if isinstance(value, list) else value
