"""One reserved event stream: its operations, and what is on its way to its client."""

import asyncio

import orjson

from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal
from gateway.api.graphql.live.answers import Answer
from gateway.api.graphql.live.events import named_complete, named_next
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.observing import Traffic
from gateway.api.graphql.live.options import LiveOptions
from gateway.errors import Conflict, NotFound, RateLimited
from gateway.kit.mailbox import Mailbox

__all__ = ["Reservation"]


class Reservation:
    """`identity` is whose it is. It is to be dropped at some time, fetched or not."""

    def __init__(self, identity: str, feeds: Feeds, options: LiveOptions, traffic: Traffic) -> None:
        self.identity = identity
        self.lines: Mailbox[bytes] = Mailbox(options.queue)
        self.is_open = False
        self._feeds = feeds
        self._most = options.operations_each
        self._traffic = traffic
        self._operations: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Let its client have the stream.

        Raises:
            RefusedError: 409, somebody has it.
        """
        if self.is_open:
            raise RefusedError(409, Conflict("The event stream is open already."))
        self.is_open = True

    def start(self, id: str, asked: GraphQLRequest, incoming: Incoming) -> None:
        """Execute an operation.

        Raises:
            RefusedError: 404, the stream has ended; 409, there is one of that id; 429, there are too many.
        """
        if self.lines.has_ended:  # while the operation was being read: nobody would end it any more
            raise RefusedError(404, NotFound("There is no event stream of that token."))
        if id in self._operations:
            raise RefusedError(409, Conflict(f"There is an operation {id} already."))
        if len(self._operations) >= self._most:
            raise RefusedError(429, RateLimited(f"A stream has {self._most} operations at most.", retry_after=1.0))
        self._operations[id] = asyncio.get_running_loop().create_task(self._operate(id, asked, incoming))

    def stop(self, id: str) -> None:
        """End an operation, without a word on the stream.

        Raises:
            RefusedError: 404, there is none of that id.
        """
        task = self._operations.pop(id, None)
        if task is None:
            raise refusal(404, "There is no such operation.")
        task.cancel()

    def leave(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.lines.cut)

    def end(self) -> None:
        """End it with all its operations."""
        self.lines.cut()
        for task in self._operations.values():
            task.cancel()

    async def _operate(self, id: str, asked: GraphQLRequest, incoming: Incoming) -> None:
        name = orjson.dumps(id).decode()
        try:
            async with self._feeds.follow(asked, incoming) as answers:
                async for answer in answers:
                    await self._put(name, answer)
        except Exception as error:  # noqa: BLE001 - told in our words
            await self._put(name, self._feeds.ending(error, incoming))
        if self._operations.get(id) is asyncio.current_task():  # first: the client may use the id again
            del self._operations[id]
        await self.lines.put(named_complete(name))

    async def _put(self, name: str, answer: Answer) -> None:
        await self.lines.put(named_next(name, answer.text))
        self._traffic.answers += 1
