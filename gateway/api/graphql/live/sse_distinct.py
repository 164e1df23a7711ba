"""GraphQL over server-sent events, a connection an operation: graphql-sse's distinct connections mode."""

import asyncio
from collections.abc import AsyncGenerator, Collection

from graphql import OperationType

from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.executor import ANYTHING
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.live.answers import LiveAnswer
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions, LiveTraffic
from gateway.api.graphql.live.sse_format import COMPLETE, PULSE, next_event, streamed
from gateway.api.web.http import WebResponse
from gateway.errors import GatewayError
from gateway.events.log import Draining
from gateway.kit.mailbox import Mailbox

__all__ = ["EventStreams"]


class EventStreams:
    """Answers operations with event streams.

    What goes wrong before the first event is an event, too: a browser's EventSource tells its page no status. A client
    that is sent away gets no `complete`, so that it comes again.
    """

    def __init__(self, connections: Connections, feeds: Feeds, options: LiveOptions, traffic: LiveTraffic) -> None:
        self._connections = connections
        self._feeds = feeds
        self._options = options
        self._traffic = traffic

    def respond(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ANYTHING
    ) -> WebResponse:
        """The stream of an operation's answers."""
        return streamed(self._lines(asked, incoming, allowed))

    async def _lines(
        self, asked: GraphQLRequest, incoming: Incoming, allowed: Collection[OperationType]
    ) -> AsyncGenerator[bytes]:
        try:
            async with self._feeds.follow(asked, incoming, allowed=allowed) as answers:
                with self._connections.admit(_Stream(answers), "events"):
                    yield PULSE
                    while not answers.is_over:
                        answer = await answers.within(self._options.ping)
                        if answer is not None:
                            yield next_event(answer.text)
                            self._traffic.answers += 1
                        elif not answers.is_over:
                            yield PULSE
                    if answers.is_cut:
                        return
        except Draining:
            return
        except (GatewayError, RefusedError) as error:
            yield next_event(self._feeds.ending(error, incoming).text)
        yield COMPLETE


class _Stream:
    """See `gateway.api.graphql.live.connections.Leaving`."""

    def __init__(self, answers: Mailbox[LiveAnswer]) -> None:
        self._answers = answers

    def leave(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._answers.cut)
