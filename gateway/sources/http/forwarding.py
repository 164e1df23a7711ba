"""The caller's own credential in place of the gateway's (`GATEWAY_<SOURCE>__CREDENTIALS=forward`)."""

from collections.abc import Iterable

from msgspec.structs import replace

from gateway.errors import Origin, Unauthenticated
from gateway.operation import ANYONE, current_principal
from gateway.sources.http.exchange import Request, Response, Send
from gateway.users.model import UserSource

__all__ = ["Forwarding"]


class Forwarding:
    """The outermost step of a system that is called with its callers' own credentials.

    `wanted` are the headers that a caller may bring, for telling one who brought none. The program around the gateway
    brings none and is served with the configured credential: its own calls, and `gateway check`.

    Raises:
        Unauthenticated: the call is a caller's who brought no credential; nothing is sent, nothing is shared.
    """

    def __init__(self, source: UserSource, wanted: Iterable[str]) -> None:
        self._source = source
        self._wanted = " or ".join(wanted)

    async def __call__(self, request: Request, send: Send) -> Response:
        principal = current_principal.get()
        if principal is ANYONE:
            return await send(request)
        brought = principal.forwarded.get(self._source)
        if not brought:
            raise Unauthenticated(
                f"The {self._source} system is called with your own credential: send it as {self._wanted}.",
                origin=Origin(source=self._source),
            )
        taken = {"authorization", *map(str.lower, brought)}
        kept = {name: value for name, value in request.headers.items() if name.lower() not in taken}
        return await send(replace(request, headers=kept | dict(brought)))
