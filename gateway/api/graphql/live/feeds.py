"""Who follows which operation: those who ask the same follow one feed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from typing import Any

from graphql import OperationType
from msgspec.structs import replace

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.executor import ANYTHING, Executor
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.live.answers import LiveAnswer, Renderings
from gateway.api.graphql.live.feed import CatchingUp, Feed
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, LiveTraffic, Observe
from gateway.api.graphql.live.sharing import sharing
from gateway.events.log import SlowReader
from gateway.kit.mailbox import Mailbox

__all__ = ["Feeds"]

_LOG = logging.getLogger("gateway.graphql")


class Feeds:
    """The live operations of a process.

    Subscriptions of the same document and variables by the same caller follow one feed, which is executed once an
    event. One that resumes has a feed of its own until it has caught up; the answers to events are shared even so. An
    error in a shared answer has the request id of who asked first.
    """

    def __init__(self, executor: Executor, options: LiveOptions, traffic: LiveTraffic, observe: Observe) -> None:
        self._executor = executor
        self._options = options
        self._traffic = traffic
        self._observe = observe
        self._renderings = Renderings()
        self._shared: dict[Hashable, Feed] = {}
        self._running: dict[Feed, asyncio.Task[None]] = {}
        self._followed: dict[Mailbox[LiveAnswer], Feed] = {}
        self._catching_up = CatchingUp(self._shared, self._merge)

    async def check(self, asked: GraphQLRequest, incoming: Incoming) -> GraphQLRequest | Result:
        """The operation as it can be followed; or why it cannot, if that is plain from its document.

        Raises:
            RefusedError: as below.
        """
        asked = await self._executor.resolve(asked, incoming)
        prepared = self._executor.prepare(asked, incoming, allowed=ANYTHING)
        return prepared if isinstance(prepared, Result) else asked

    @asynccontextmanager
    async def follow(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ANYTHING
    ) -> AsyncIterator[Mailbox[LiveAnswer]]:
        """The answers to any operation, until it is left.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
            Overloaded: there are as many operations as there may be.
        """
        asked = await self._executor.resolve(asked, incoming)
        prepared = self._executor.prepare(asked, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            refused: Mailbox[LiveAnswer] = Mailbox(1)
            refused.offer(LiveAnswer.of(prepared))
            refused.end()
            yield refused
            return
        if self._traffic.operations >= self._options.operations:
            self._observe(LiveEvent.REFUSED, "operations")
            raise Overloaded("The gateway has as many operations as it takes.", retry_after=1.0)
        if prepared.kind is OperationType.SUBSCRIPTION:
            await self._executor.afford(prepared, asked, incoming)
        feed = self._feed(prepared, asked, incoming)
        mailbox = feed.join()
        self._followed[mailbox] = feed
        self._traffic.operations += 1
        try:
            yield mailbox
        finally:
            self._traffic.operations -= 1
            feed = self._followed.pop(mailbox)  # perhaps another by now
            feed.leave(mailbox)
            self._end_unfollowed(feed)

    def ending(self, error: Exception, incoming: Incoming) -> LiveAnswer:
        """The last answer, where an operation ends by an error."""
        told = error.error if isinstance(error, RefusedError) else error
        return LiveAnswer.of(self._executor.ending(told, incoming))

    async def aclose(self) -> None:
        """End all operations."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._renderings.aclose()

    def _feed(self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> Feed:
        if prepared.kind is not OperationType.SUBSCRIPTION:
            return self._started(self._one(prepared, asked, incoming), incoming)
        shares = sharing(prepared, asked, incoming.principal)
        shared = self._shared.get(shares.alike)
        if shared is not None and shared.is_ending:
            shared = None
        if shared is None and shares.fresh is not None:
            from_now = replace(asked, variables=shares.fresh)
            events = self._events(prepared, from_now, incoming, shares.alike)
            shared = self._shared[shares.alike] = self._started(events, incoming, shares.alike, shared=True)
        if shared is not None and not shares.resumes:
            return shared
        feed = self._started(self._events(prepared, asked, incoming, shares.alike), incoming, shares.alike)
        if shared is not None:
            self._catching_up.add(feed)
        return feed

    def _started(
        self, answers: AsyncGenerator[LiveAnswer], incoming: Incoming, alike: Hashable = None, *, shared: bool = False
    ) -> Feed:
        def slow() -> LiveAnswer:
            self._observe(LiveEvent.SLOW_READER, "")
            return self.ending(SlowReader(), incoming)

        queue, told = self._options.queue, self._catching_up.told
        feed = Feed(answers, shared=shared, alike=alike, queue=queue, slow=slow, told=told)
        task = self._running[feed] = asyncio.get_running_loop().create_task(feed.run(), context=Context())
        task.add_done_callback(lambda task: self._ended(feed, task))
        return feed

    def _ended(self, feed: Feed, task: asyncio.Task[None]) -> None:
        del self._running[feed]
        self._forget(feed)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("defect in a live operation", exc_info=error)

    def _merge(self, feed: Feed, shared: Feed) -> None:
        for mailbox in feed.followers:
            feed.leave(mailbox)
            shared.adopt(mailbox)
            self._followed[mailbox] = shared
        self._end_unfollowed(feed)

    def _end_unfollowed(self, feed: Feed) -> None:
        """End a feed that nobody follows, nor will."""
        if feed.followers or (feed.shared and self._catching_up.awaits(feed)):
            return
        self._forget(feed)
        if (task := self._running.get(feed)) is not None:
            task.cancel()

    def _forget(self, feed: Feed) -> None:
        """Let nobody join it any more, nor it another."""
        if feed.shared and self._shared.get(feed.alike) is feed:
            del self._shared[feed.alike]
        if not feed.shared:
            self._catching_up.discard(feed)
            if (shared := self._shared.get(feed.alike)) is not None:
                self._end_unfollowed(shared)

    async def _one(self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> AsyncGenerator[LiveAnswer]:
        yield await self._answer(prepared, asked, incoming)

    async def _events(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming, alike: Hashable
    ) -> AsyncGenerator[LiveAnswer]:
        try:
            async with self._executor.events(prepared, asked, incoming) as events:
                async for event in events:
                    write = partial(self._answer, prepared, asked, incoming, event)
                    yield await self._renderings.get((alike, event.id), write)
        except Exception as error:  # noqa: BLE001 - how it ends, in our words
            yield self.ending(error, incoming)

    async def _answer(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming, event: Any = None
    ) -> LiveAnswer:
        try:
            return LiveAnswer.of(
                await self._executor.answer(prepared, asked, incoming, event), getattr(event, "id", "")
            )
        except Exception as error:  # noqa: BLE001 - the same
            return self.ending(error, incoming)
