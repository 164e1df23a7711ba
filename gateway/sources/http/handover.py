"""How far a call got: whether it is on the wire, and whether an attempt may have been carried out.

When time runs out in the middle, this tells "nothing was sent" from "its outcome is unknown".
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from gateway.errors import GatewayError, Outcome
from gateway.sources.http.errors import SourceErrorBody, refusal
from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["DispatchState", "Handover", "current_dispatch", "leaves_doubt"]

_SUCCESS = range(200, 300)


@dataclass(slots=True)
class DispatchState:
    """`since` is when the call was handed to the transport, None while it is not there.

    `doubtful` says that an attempt ended without telling whether it was carried out.
    """

    since: float | None = None
    doubtful: bool = False

    @property
    def uncertain(self) -> bool:
        """Whether a change may have been carried out by now."""
        return self.doubtful or self.since is not None


current_dispatch: ContextVar[DispatchState | None] = ContextVar("current_passage", default=None)


def leaves_doubt(request: Request, result: Response | GatewayError) -> bool:
    """Whether a failed change may have been carried out. The table is `refusal`'s, asked and not copied."""
    if not request.writes:
        return False
    if isinstance(result, Response):
        return result.status not in _SUCCESS and refusal(request, result, SourceErrorBody()).outcome is Outcome.UNKNOWN
    return result.outcome is Outcome.UNKNOWN


class Handover:
    """The step next to the wire: notes when an attempt is handed over and how it came back.

    An attempt that is cancelled stays noted as being on the wire, for it may have been carried out.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    async def __call__(self, request: Request, send: Send) -> Response:
        passage = current_dispatch.get()
        if passage is None:
            return await send(request)
        passage.since = self._clock()
        try:
            response = await send(request)
        except GatewayError as error:
            passage.since = None
            passage.doubtful = passage.doubtful or leaves_doubt(request, error)
            raise
        passage.since = None
        passage.doubtful = passage.doubtful or leaves_doubt(request, response)
        return response
