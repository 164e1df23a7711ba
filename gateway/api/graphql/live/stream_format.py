"""The formats in which the responses of one live operation are sent by HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.api.graphql.http.accept import MediaType
from gateway.api.graphql.http.streaming import MultipartBody
from gateway.api.graphql.live.responses import LiveResponse
from gateway.api.graphql.live.sse_format import COMPLETE, HEADERS, KEEP_ALIVE, next_event

__all__ = ["EVENTS", "PARTS", "StreamFormat"]


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """The bytes of a stream, and the header fields of its HTTP response.

    `kind` is the detail of `LiveEvent.OPENED`. `start` comes before everything else. `next` returns the bytes of
    a response. `keep_alive` prevents proxies from closing the stream as idle. `complete`
    marks the end of the operation.
    """

    kind: str
    headers: Sequence[tuple[str, str]]
    start: bytes
    next: Callable[[LiveResponse], bytes]
    keep_alive: bytes
    complete: bytes


def _part(response: LiveResponse) -> bytes:
    """Return the part of a response. The protocol has a form for the errors that end an operation."""
    if response.errors is None:
        return _MULTIPART.part(f'{{"payload":{response.text}}}'.encode())
    return _MULTIPART.part(f'{{"payload":null,"errors":{response.errors}}}'.encode())


_MULTIPART = MultipartBody(MediaType.SUBSCRIPTION, "graphql")
_HEARTBEAT = _MULTIPART.part(b"{}")

EVENTS = StreamFormat(
    kind="events",
    headers=HEADERS,
    start=b"",
    next=lambda response: next_event(response.text),
    keep_alive=KEEP_ALIVE,
    complete=COMPLETE,
)
"""graphql-sse."""

PARTS = StreamFormat(
    kind="parts",
    headers=_MULTIPART.headers,
    start=_MULTIPART.start,
    next=_part,
    keep_alive=_HEARTBEAT,
    complete=_MULTIPART.end,
)
"""Apollo's protocol for subscriptions, `subscriptionSpec=1.0`."""
