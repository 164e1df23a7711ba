"""A step for a token that is replaced while the gateway runs (`GATEWAY_<SOURCE>__TOKEN_FILE`)."""

from collections.abc import Callable
from http import HTTPStatus

from msgspec.structs import replace

from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["Rotation"]

_HEADER = "Authorization"


class Rotation:
    """Sends each call with the present token instead of the one of the start.

    `token` returns the present token; `refresh` looks for a new one at once. A call that is refused with 401 is sent
    once more if there is a new token by then: the source has not executed it.
    """

    def __init__(self, token: Callable[[], str], refresh: Callable[[], None]) -> None:
        self._token = token
        self._refresh = refresh

    async def __call__(self, request: Request, send: Send) -> Response:
        request = self._with_token(request)
        response = await send(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._refresh()
            renewed = self._with_token(request)
            if renewed is not request:
                return await send(renewed)
        return response

    def _with_token(self, request: Request) -> Request:
        """Return the request itself if it has the present token."""
        value = f"Bearer {self._token()}"
        if request.headers.get(_HEADER) == value:
            return request
        return replace(request, headers={**request.headers, _HEADER: value})
