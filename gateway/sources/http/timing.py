"""Measures each try of a call, right at the wire."""

import time
from collections.abc import Callable

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["Timing"]

Measured = Callable[[Request, str, float], None]


class Timing:
    """Tells `measured` the request, its status or error code, and the seconds that it took."""

    def __init__(self, measured: Measured, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._measured = measured
        self._clock = clock

    async def __call__(self, request: Request, send: Send) -> Response:
        started = self._clock()
        told = "cancelled"
        try:
            response = await send(request)
            told = str(response.status)
        except GatewayError as error:
            told = error.code
            raise
        finally:
            self._measured(request, told, self._clock() - started)
        return response
