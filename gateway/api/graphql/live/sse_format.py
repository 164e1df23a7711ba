"""The bytes of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html), as graphql-sse has it.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from gateway.api.graphql.http.accept import MediaType
from gateway.api.graphql.http.streaming import streaming_headers

__all__ = ["COMPLETE", "HEADERS", "KEEP_ALIVE", "next_event", "operation_complete", "operation_next"]

KEEP_ALIVE = b":\n\n"
"""A comment, which clients ignore; it prevents proxies from closing the stream as idle."""

COMPLETE = b"event: complete\ndata:\n\n"

HEADERS = streaming_headers(f"{MediaType.EVENT_STREAM.value}; charset=utf-8")


def next_event(response: str) -> bytes:
    """Return the event for a GraphQL response, given as JSON."""
    return f"event: next\ndata: {response}\n\n".encode()


def operation_next(id_json: str, response: str) -> bytes:
    """Return the event for a response on a stream of several operations; `id_json` is the operation's id as JSON."""
    return f'event: next\ndata: {{"id":{id_json},"payload":{response}}}\n\n'.encode()


def operation_complete(id_json: str) -> bytes:
    """Return the event for the end of one of several operations."""
    return f'event: complete\ndata: {{"id":{id_json}}}\n\n'.encode()
