"""Executes live operations, once for all equal subscriptions.

1. `Feeds.follow` is called for each operation of each client. It looks for the shared feed of equal subscriptions
   (`sharing.py`), and starts it for the first of them.
2. The feed reads the event log, executes the operation for each event, and puts the response into the mailbox of each
   client (`feed.py`).
3. A subscription that resumes gets a separate feed until it has caught up with the shared one. Since responses are
   cached for a second (`responses.py`), an event that equal feeds reach at about the same time is executed once.
4. A feed ends when its last client has left.

A query or a mutation has a feed of one response.

However many subscriptions there are, an event delays other operations little: few of the subscriptions are executed at
once, those of all callers round robin, and each lets other tasks run before it begins. Each execution is charged.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import Any

from graphql import OperationType
from msgspec.structs import replace

from gateway.api.gate import Gate, Overloaded
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.preparation import ANY_OPERATION
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result, error_result
from gateway.api.graphql.live.feed import Feed, ResumedFeeds
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, LiveTraffic, Observe
from gateway.api.graphql.live.responses import LiveResponse, ResponseCache
from gateway.api.graphql.live.sharing import sharing_of
from gateway.errors import GatewayError, RateLimited
from gateway.events.log import SlowReader
from gateway.kit.counts import Counts, share_of
from gateway.kit.mailbox import Mailbox
from gateway.operation import background_context
from gateway.telemetry.telemetry import Telemetry

__all__ = ["Feeds"]

_LOG = logging.getLogger("gateway.graphql")
_EXECUTED_AT_ONCE = 32  # subscriptions: some 10 ms without a pause for other tasks, if they need no calls
_LONGEST_WAIT = 24 * 60 * 60.0  # seconds: an execution waits as long as those before it take


class Feeds:
    """The live operations of a process. Errors in a shared response have the request id of the first subscription."""

    def __init__(
        self,
        executor: Executor,
        options: LiveOptions,
        traffic: LiveTraffic,
        observe: Observe,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._executor = executor
        self._telemetry = telemetry or Telemetry()
        self._options = options
        self._traffic = traffic
        self._observe = observe
        self._cache = ResponseCache()
        self._executing = Gate(_EXECUTED_AT_ONCE, queue=sys.maxsize, max_wait=_LONGEST_WAIT, share=options.share)
        self._operations_of = Counts()  # by the identity of their callers
        self._different_of = Counts()  # subscriptions, likewise
        self._shared: dict[Hashable, Feed] = {}
        self._running: dict[Feed, asyncio.Task[None]] = {}
        self._feed_of: dict[Mailbox[LiveResponse], Feed] = {}
        self._resumed = ResumedFeeds(self._shared, self._merge)
        self._is_closed = False

    @asynccontextmanager
    async def follow(self, request: GraphQLRequest, incoming: Incoming) -> AsyncIterator[Mailbox[LiveResponse]]:
        """Execute an operation of any kind until the context is left. The mailbox receives its responses.

        A subscription ends with an error when the credential of its caller is revoked. Once the feeds are closed, it
        ends at once.

        Raises:
            RefusedError: the operation is not executed, for a reason that has an HTTP status.
            Overloaded: the maximum of running operations is reached.
            RateLimited: a maximum of this caller is reached.
        """
        request = await self._executor.preparation.resolve(request, incoming)
        prepared = self._executor.preparation.prepare(request, incoming, allowed=ANY_OPERATION)
        if isinstance(prepared, Result):
            yield _closed(LiveResponse.of(prepared))
            return
        if self._is_closed and prepared.operation_type is OperationType.SUBSCRIPTION:
            yield _closed()
            return
        with self._counted(incoming.principal.identity):
            async with self._followed(prepared, request, incoming) as mailbox:
                yield mailbox

    @contextmanager
    def _counted(self, identity: str) -> Iterator[None]:
        """Count an operation of a caller as running until the context is left.

        Raises:
            Overloaded, RateLimited: as `follow`.
        """
        options, operations_of = self._options, self._operations_of
        if self._traffic.operations >= options.operations:
            self._observe(LiveEvent.REFUSED, "operations")
            raise Overloaded("Too many running operations. Retry after 1 s.", retry_after=1.0)
        most = share_of(options.operations, options.share)
        if identity and operations_of[identity] >= most:
            self._observe(LiveEvent.REFUSED, "operations of a caller")
            raise RateLimited(f"A caller can have at most {most} operations. Retry after 1 s.", retry_after=1.0)
        self._traffic.operations += 1
        operations_of.add(identity)
        try:
            yield
        finally:
            self._traffic.operations -= 1
            operations_of.remove(identity)

    @asynccontextmanager
    async def _followed(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> AsyncIterator[Mailbox[LiveResponse]]:
        if prepared.operation_type is OperationType.SUBSCRIPTION:
            await self._executor.charging.operation(prepared, request, incoming)
        feed = self._feed(prepared, request, incoming)
        mailbox = feed.join()
        self._feed_of[mailbox] = feed

        def end(reason: GatewayError) -> None:
            mailbox.close_with(self.last_response(reason, incoming))

        is_subscription = prepared.operation_type is OperationType.SUBSCRIPTION
        try:
            with incoming.while_valid(end) if is_subscription else nullcontext():
                yield mailbox
        finally:
            feed = self._feed_of.pop(mailbox)  # another one if the feeds were merged
            feed.remove(mailbox)
            self._stop_unused(feed)

    def last_response(self, error: Exception, incoming: Incoming) -> LiveResponse:
        """Return the response with which an operation ends because of an error."""
        reason = error.error if isinstance(error, RefusedError) else error
        return LiveResponse.of(error_result(reason, incoming))

    async def aclose(self) -> None:
        """Cancel all operations; later subscriptions have no event."""
        self._is_closed = True
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._cache.aclose()

    def _feed(self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> Feed:
        """Find or start the feed of an operation.

        Raises:
            RateLimited: the caller has too many different subscriptions.
        """
        if prepared.operation_type is not OperationType.SUBSCRIPTION:
            return self._start(self._single_response(prepared, request, incoming), incoming)
        incoming = replace(incoming, connection=None)  # the feed may outlive this client, whose request is in it
        sharing = sharing_of(prepared, request, incoming.principal, incoming.base_url)
        shared = self._shared.get(sharing.key)
        if shared is not None and shared.is_closing:
            shared = None
        identity = incoming.principal.identity
        if shared is None:
            self._check_different(identity)
        if shared is None and sharing.live_variables is not None:
            live_request = replace(request, variables=sharing.live_variables)
            responses = self._responses(prepared, live_request, incoming, sharing.key)
            shared = self._shared[sharing.key] = self._start(responses, incoming, sharing.key, shared=True)
            self._count_different(shared, identity)
        if shared is not None and not sharing.resumes:
            return shared
        feed = self._start(self._responses(prepared, request, incoming, sharing.key), incoming, sharing.key)
        if shared is not None:
            self._resumed.add(feed)
        else:
            self._count_different(feed, identity)
        return feed

    def _check_different(self, identity: str) -> None:
        """Check that a caller may have one more subscription that is different from the others.

        Raises:
            RateLimited: the maximum is reached.
        """
        most = self._options.subscriptions
        if identity and self._different_of[identity] >= most:
            self._observe(LiveEvent.REFUSED, "subscriptions of a caller")
            message = f"A caller can have at most {most} different subscriptions. Retry after 1 s."
            raise RateLimited(message, retry_after=1.0)

    def _count_different(self, feed: Feed, identity: str) -> None:
        """Count a feed as one of the different subscriptions of a caller until it ends."""
        feed.counted_for = identity
        self._different_of.add(identity)

    def _start(
        self, responses: AsyncGenerator[LiveResponse], incoming: Incoming, key: Hashable = None, *, shared: bool = False
    ) -> Feed:
        def slow_reader() -> LiveResponse:
            self._observe(LiveEvent.SLOW_READER, "")
            return self.last_response(SlowReader(), incoming)

        feed = Feed(
            responses,
            shared=shared,
            key=key,
            queue=self._options.queue,
            slow_reader=slow_reader,
            on_event=self._resumed.compare,
        )
        task = self._running[feed] = asyncio.get_running_loop().create_task(feed.run(), context=background_context())
        task.add_done_callback(lambda task: self._task_done(feed, task))
        return feed

    def _task_done(self, feed: Feed, task: asyncio.Task[None]) -> None:
        del self._running[feed]
        self._forget(feed)
        if feed.counted_for is not None:
            self._different_of.remove(feed.counted_for)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("unexpected error in a live operation", exc_info=error)

    def _merge(self, feed: Feed, shared: Feed) -> None:
        """Move the clients of a separate feed to the shared one, and stop the former."""
        for mailbox in feed.mailboxes:
            feed.remove(mailbox)
            shared.add(mailbox)
            self._feed_of[mailbox] = shared
        self._stop_unused(feed)

    def _stop_unused(self, feed: Feed) -> None:
        """Stop a feed that has no clients, unless separate feeds will be merged into it."""
        if feed.mailboxes or (feed.shared and self._resumed.has_feeds_for(feed)):
            return
        self._forget(feed)
        if (task := self._running.get(feed)) is not None:
            task.cancel()

    def _forget(self, feed: Feed) -> None:
        """Let no more subscriptions join a shared feed; compare a separate one no more."""
        if feed.shared and self._shared.get(feed.key) is feed:
            del self._shared[feed.key]
        if not feed.shared:
            self._resumed.discard(feed)
            if (shared := self._shared.get(feed.key)) is not None:
                self._stop_unused(shared)

    async def _single_response(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> AsyncGenerator[LiveResponse]:
        yield await self._execute(prepared, request, incoming)

    async def _responses(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming, key: Hashable
    ) -> AsyncGenerator[LiveResponse]:
        try:
            async with self._executor.events(prepared, request, incoming) as events:
                async for event in events:
                    execute = partial(self._execute_event, prepared, request, incoming, event)
                    response = await self._cache.get((key, event.id), execute)
                    yield response
                    if response.errors is not None:  # the clients take it for the last one
                        return
        except Exception as error:  # noqa: BLE001 - whatever ends the events is the client's last response
            yield self.last_response(error, incoming)

    async def _execute_event(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming, event: Any
    ) -> LiveResponse:
        async with self._executing.slot(incoming.principal.identity):
            await asyncio.sleep(0)  # without calls to sources, all executions would otherwise follow without a pause
            try:
                await self._executor.charging.operation(prepared, request, incoming)
            except RefusedError as refused:
                return self.last_response(refused, incoming)
            # Several subscriptions may share the response, so its calls are in the report of none.
            with self._telemetry.delivering(incoming.report) as report:
                return await self._execute(prepared, request, replace(incoming, report=report), event)

    async def _execute(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming, event: Any = None
    ) -> LiveResponse:
        try:
            result = await self._executor.answer(prepared, request, incoming, event)
            return LiveResponse.of(result, getattr(event, "id", ""))
        except Exception as error:  # noqa: BLE001 - the client gets every error as a response
            return self.last_response(error, incoming)


def _closed(*responses: LiveResponse) -> Mailbox[LiveResponse]:
    """Return a mailbox that gets no more responses than these."""
    mailbox: Mailbox[LiveResponse] = Mailbox(1)
    for response in responses:
        mailbox.offer(response)
    mailbox.close()
    return mailbox
