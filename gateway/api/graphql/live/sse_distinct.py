"""GraphQL over server-sent events, one connection for each operation: graphql-sse's distinct connections mode."""

import asyncio
from collections.abc import AsyncGenerator, Collection

from graphql import OperationType

from gateway.api.graphql.execution.executor import ANY_OPERATION
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.graphql.live.responses import LiveResponse
from gateway.api.graphql.live.sse_format import COMPLETE, KEEP_ALIVE, event_stream, next_event
from gateway.api.web.http import WebResponse
from gateway.errors import GatewayError
from gateway.events.log import Draining
from gateway.kit.mailbox import Mailbox

__all__ = ["EventStreams"]


class EventStreams:
    """Responds to operations with event streams.

    Errors are sent as events too, even those before the first event: a browser's EventSource does not show the status
    of a response to its page. When the process stops, streams end without `complete`, so that the clients reconnect.
    """

    def __init__(self, connections: Connections, feeds: Feeds, options: LiveOptions) -> None:
        self._connections = connections
        self._feeds = feeds
        self._options = options

    def respond(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ANY_OPERATION
    ) -> WebResponse:
        """Return the event stream of an operation."""
        return event_stream(self._chunks(request, incoming, allowed))

    async def _chunks(
        self, request: GraphQLRequest, incoming: Incoming, allowed: Collection[OperationType]
    ) -> AsyncGenerator[bytes]:
        try:
            async with self._feeds.follow(request, incoming, allowed=allowed) as responses:
                with self._connections.admit(_Stream(responses), "events", incoming.principal.identity):
                    yield KEEP_ALIVE
                    while not responses.is_exhausted:
                        response = await responses.next_within(self._options.ping)
                        if response is not None:
                            yield next_event(response.text)
                        elif not responses.is_exhausted:
                            yield KEEP_ALIVE
                    if responses.is_aborted:
                        return
        except Draining:
            return
        except (GatewayError, RefusedError) as error:
            yield next_event(self._feeds.last_response(error, incoming).text)
        yield COMPLETE


class _Stream:
    """An open event stream, as a `LiveConnection`."""

    def __init__(self, responses: Mailbox[LiveResponse]) -> None:
        self._responses = responses

    def close_after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._responses.abort)
