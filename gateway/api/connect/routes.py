"""The routes of Connect, one for each method. Protobuf is imported with the first request, unless gRPC is served."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.api.web.cors import Cors
from gateway.api.web.http import Handling, Route, WebRequest, WebResponse

if TYPE_CHECKING:
    from gateway.api.connect.endpoint import ConnectEndpoint

__all__ = ["METHODS", "SERVICE", "Connect"]

SERVICE: Final = "usergateway.v1.UserService"

_READ, _OTHER = ("GET", "POST"), ("POST",)

METHODS: Final = {
    "GetUser": _READ,
    "ListUsers": _READ,
    "FindPerson": _READ,
    "CreateAccountUser": _OTHER,
    "UpdateAccountUser": _OTHER,
    "UpdateSoftwareOneUser": _OTHER,
    "UpdateResellerUser": _OTHER,
    "GetRole": _READ,
    "ListRoles": _READ,
    "GetDepartment": _READ,
    "ListDepartments": _READ,
    "WatchUsers": _OTHER,
}
"""The methods of the .proto with those of HTTP. GET is for those whose `idempotency_level` is NO_SIDE_EFFECTS."""


class Connect:
    """Connect's methods of a gateway, for all its HTTP servers; `build` is called for the first request."""

    def __init__(self, build: "Callable[[], ConnectEndpoint]") -> None:
        self._build = build
        self._endpoint: ConnectEndpoint | None = None
        self._draining = False

    def routes(self, cors: Cors, *, preflight: bool) -> list[Route]:
        """Return the routes. `preflight`: a browser may send a GET only for pages of origins that `cors` allows."""
        checked = cors if preflight else None
        return [
            Route(
                methods,
                f"/{SERVICE}/{name}",
                partial(self._respond, name, checked),
                None if name == "WatchUsers" else partial(self._try_handle, name, checked),
                "connect",
            )
            for name, methods in METHODS.items()
        ]

    async def drain(self) -> None:
        """End the streams after their queued events, and refuse new ones."""
        self._draining = True
        if self._endpoint is not None:
            self._endpoint.drain()

    def _try_handle(self, name: str, cors: Cors | None, request: WebRequest) -> Handling | None:
        return None if self._endpoint is None else self._endpoint.try_handle(name, cors, request)

    def _respond(self, name: str, cors: Cors | None, request: WebRequest) -> Awaitable[WebResponse]:
        if self._endpoint is None:
            self._endpoint = self._build()
            if self._draining:
                self._endpoint.drain()
        return self._endpoint.respond(name, cors, request)
