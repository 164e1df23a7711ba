"""The lines of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html), by graphql-sse.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from collections.abc import AsyncIterable

from gateway.api.graphql.http.accept import MediaType
from gateway.api.web.http import WebResponse

__all__ = ["COMPLETE", "PULSE", "named_complete", "named_next", "next_event", "streamed"]

PULSE = b":\n\n"
"""A comment: it says that the stream is open, and keeps what lies in between from closing it."""

COMPLETE = b"event: complete\ndata:\n\n"

_HEADERS = (
    ("Content-Type", f"{MediaType.EVENT_STREAM.value}; charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("X-Accel-Buffering", "no"),
    ("Vary", "Accept"),
)


def next_event(text: str) -> bytes:
    """An answer, written as JSON."""
    return f"event: next\ndata: {text}\n\n".encode()


def named_next(name: str, text: str) -> bytes:
    """The same on a stream for several operations; `name` is the id of one as JSON."""
    return f'event: next\ndata: {{"id":{name},"payload":{text}}}\n\n'.encode()


def named_complete(name: str) -> bytes:
    """The end of one of several operations."""
    return f'event: complete\ndata: {{"id":{name}}}\n\n'.encode()


def streamed(lines: AsyncIterable[bytes]) -> WebResponse:
    """The response of such lines."""
    return WebResponse(200, lines, _HEADERS)
