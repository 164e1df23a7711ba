"""A step that sends the credential of the caller (`GATEWAY_<SOURCE>__CREDENTIALS=forward`)."""

from collections.abc import Iterable

from msgspec.structs import replace

from gateway.errors import Origin, Unauthenticated
from gateway.kit.source_titles import titled
from gateway.operation import current_principal
from gateway.principal import ANYONE
from gateway.sources.http.exchange import Request, Response, Send
from gateway.users.model import UserSource

__all__ = ["Forwarding"]


class Forwarding:
    """Replaces the configured credential with the forwarded one, for a source with `CREDENTIALS=forward`.

    `header_names` are the headers in which a caller can send it, for the error message. Calls without a caller keep
    the configured credential: those of the embedding program and of `gateway check`.

    Raises:
        Unauthenticated: the caller sent no credential for this source; nothing is sent and no call is shared.
    """

    def __init__(self, source: UserSource, header_names: Iterable[str]) -> None:
        self._source = source
        self._header_names = " or ".join(header_names)

    async def __call__(self, request: Request, send: Send) -> Response:
        return await send(self.put_in(request))

    def put_in(self, request: Request) -> Request:
        """Return the request with the credential of the caller."""
        principal = current_principal.get()
        if principal is ANYONE:
            return request
        forwarded = principal.forwarded.get(self._source)
        if not forwarded:
            raise Unauthenticated(
                f"The {titled(self._source)} source requires a credential of the caller. "
                f"Send it as {self._header_names}.",
                origin=Origin(source=self._source),
            )
        replaced = {"authorization", *map(str.lower, forwarded)}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in replaced}
        return replace(request, headers=headers | dict(forwarded))
