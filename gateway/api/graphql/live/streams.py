"""Live operations by HTTP, with a response for each: as an event stream, or in parts.

The former is the distinct connections mode of graphql-sse, the latter Apollo's protocol for subscriptions.
"""

import asyncio
from collections.abc import AsyncGenerator

from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.graphql.live.responses import LiveResponse
from gateway.api.graphql.live.stream_format import StreamFormat
from gateway.api.web.http import WebResponse
from gateway.errors import GatewayError
from gateway.events.log import Draining
from gateway.kit.mailbox import Mailbox

__all__ = ["Streams"]


class Streams:
    """Responds to operations with streams of their responses.

    Errors are sent on the stream too, even those before the first event: a browser's EventSource does not show the
    status of a response to its page. When the process stops, streams end without the mark of their end, so that the
    clients reconnect.
    """

    def __init__(self, connections: Connections, feeds: Feeds, options: LiveOptions) -> None:
        self._connections = connections
        self._feeds = feeds
        self._options = options

    def respond(self, request: GraphQLRequest, incoming: Incoming, stream_format: StreamFormat) -> WebResponse:
        """Return the stream of an operation, which may be of any type."""
        return WebResponse(200, self._chunks(request, incoming, stream_format), stream_format.headers)

    async def _chunks(
        self, request: GraphQLRequest, incoming: Incoming, stream_format: StreamFormat
    ) -> AsyncGenerator[bytes]:
        kind, identity = stream_format.kind, incoming.principal.identity
        before = stream_format.start
        try:
            async with self._feeds.follow(request, incoming) as responses:
                with self._connections.admit(_Stream(responses), kind, identity):
                    yield before + stream_format.keep_alive  # makes the server send the header fields
                    before = b""
                    while not responses.is_exhausted:
                        response = await responses.next_within(self._options.ping)
                        if response is not None:
                            response.add_to(incoming.report)
                            yield stream_format.next(response)
                        elif not responses.is_exhausted:
                            yield stream_format.keep_alive
                    if responses.is_aborted:
                        return
        except Draining:
            return
        except (GatewayError, RefusedError) as error:
            last = self._feeds.last_response(error, incoming)
            last.add_to(incoming.report)
            yield before + stream_format.next(last)
        yield stream_format.complete


class _Stream:
    """An open stream, as a `LiveConnection`."""

    def __init__(self, responses: Mailbox[LiveResponse]) -> None:
        self._responses = responses

    def close_after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._responses.abort)
