"""A step for a token that is replaced while the gateway runs (`GATEWAY_<SOURCE>__TOKEN_FILE`)."""

from collections import deque
from collections.abc import Callable
from http import HTTPStatus

from msgspec.structs import replace

from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["Rotation"]

_HEADER = "Authorization"
_MAX_VALUES = 8  # tokens that a call may have begun with


class Rotation:
    """Sends each call with the present token instead of the one of the start.

    `token` returns the present token; `refresh` looks for a new one at once. A call that is refused with 401 is sent
    once more if there is a new token by then, which is not known to be refused: the source has not executed it.

    It is the first step, and `renew` the last one: a call may wait for the rate limit, or for its next attempt, while
    the token is replaced.
    """

    def __init__(self, token: Callable[[], str], refresh: Callable[[], None]) -> None:
        self._token = token
        self._refresh = refresh
        self._values: deque[str] = deque(maxlen=_MAX_VALUES)  # of the header, with the token of this source
        self._refused = ""

    async def __call__(self, request: Request, send: Send) -> Response:
        request = self._with_token(request)
        response = await send(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._refresh()
            renewed = self._with_token(request)
            if renewed is not request and renewed.headers[_HEADER] != self._refused:
                return await send(renewed)
        return response

    async def renew(self, request: Request, send: Send) -> Response:
        """Replace the token once more, unless the credential is one of a caller."""
        if request.headers.get(_HEADER) not in self._values:
            return await send(request)
        request = self._with_token(request)
        response = await send(request)
        value = request.headers[_HEADER]
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._refused = value
        elif value == self._refused:
            self._refused = ""
        return response

    def _with_token(self, request: Request) -> Request:
        """Return the request itself if it has the present token."""
        value = f"Bearer {self._token()}"
        if value not in self._values:
            self._values.append(value)
        if request.headers.get(_HEADER) == value:
            return request
        return replace(request, headers={**request.headers, _HEADER: value})
