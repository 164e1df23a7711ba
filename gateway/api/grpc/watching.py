"""WatchUsers: streams the events of users."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from gateway.api.grpc.calls import Call
from gateway.api.grpc.enums import NUMBERS, sources_of
from gateway.api.grpc.messages import Messages
from gateway.callers.revocation import CredentialWatch
from gateway.errors import BadUserInput, Forbidden, GatewayError, Rule, Unauthenticated
from gateway.events.log import EventLog, SlowReader, Subscription, UserEvent
from gateway.events.watching import MAX_IDS, OpenSubscriptions, watching
from gateway.telemetry.report import RequestReport
from gateway.users.ids import Kind, Ref, decode
from usergateway.v1 import users_pb2

__all__ = ["RESUME_TOKEN", "EventWriter", "RenderedEvents", "Watching"]

RESUME_TOKEN = "usergateway-resume-token"  # noqa: S105 - the name of a header

R = TypeVar("R")

_CACHED_EVENTS = 256  # the queue of one subscription: its slowest reader finds what the fastest one rendered
_DRAIN_TIMEOUT = 1.0  # seconds to send the queued events when the server drains


class EventWriter(Protocol):
    """Sends one stream to its client."""

    async def begin(self, headers: Sequence[tuple[str, str]]) -> None:
        """Send the header fields, which is done before the first message."""

    async def write(self, message: Any) -> None:
        """Send a message, and wait while the client reads too slowly."""


class RenderedEvents(Generic[R]):
    """Renders events for several streams, and caches the latest `size` results by the ids of the events.

    When `window` returns another value, they are rendered again: the URLs in them expire.
    """

    def __init__(
        self, render: Callable[[UserEvent], R], *, size: int = _CACHED_EVENTS, window: Callable[[], int] = lambda: 0
    ) -> None:
        self._render = render
        self._size = size
        self._window = window
        self._cache: OrderedDict[tuple[str, int], R] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cache)

    def __call__(self, event: UserEvent) -> R:
        """Return the rendered event; it is shared and must not be modified."""
        key = event.id, self._window()
        try:
            return self._cache[key]
        except KeyError:
            rendered = self._cache[key] = self._render(event)
        if len(self._cache) > self._size:
            self._cache.popitem(last=False)
        return rendered


class Watching:
    """The streams of one server, which read one event log; they end when the server drains.

    The stream of a caller whose credential is revoked ends at once.
    """

    def __init__(
        self, events: EventLog, credentials: CredentialWatch, messages: Messages, window: Callable[[], int]
    ) -> None:
        self._events = events
        self._credentials = credentials
        self._message = RenderedEvents(partial(_message, messages), window=window)  # shared by all streams
        self._subscriptions = OpenSubscriptions()
        self.drain = self._subscriptions.drain  # ends each stream after its queued events, and refuses new streams

    async def watch_users(self, request: users_pb2.WatchUsersRequest, call: Call, writer: EventWriter) -> None:
        """Write events until the stream ends; raise the reason of its end."""
        ids, sources = list(_refs(request.ids)), sources_of(request.sources, ("sources",))
        after = request.resume_token or None
        async with watching(self._events, call.principal, ids=ids, sources=sources, after=after) as subscription:
            with self._subscriptions.holding(subscription):
                # At once: from the token on, the client misses no event.
                await writer.begin(((RESUME_TOKEN, subscription.start), ("x-request-id", call.request_id)))
                with self._credentials.watch(call.connection, call.principal, subscription.end):
                    raise await _send_events(subscription, writer, self._message, call.report)


async def _send_events(
    subscription: Subscription,
    writer: EventWriter,
    message: Callable[[UserEvent], users_pb2.UserEvent],
    report: RequestReport,
) -> GatewayError:
    """Send events until the subscription ends, and return the reason.

    The queued events are sent too, unless the caller may no longer have them; a client that does not read delays the
    end briefly.
    """

    async def send() -> None:
        async for event in subscription:
            await writer.write(message(event))
            report.messages += 1

    sending = asyncio.ensure_future(send())
    ended = asyncio.ensure_future(subscription.ended())
    try:
        await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not isinstance(ended.result(), SlowReader | Unauthenticated | Forbidden):
            await asyncio.wait({sending}, timeout=_DRAIN_TIMEOUT)
    finally:
        sending.cancel()
        ended.cancel()
        [error, _] = await asyncio.gather(sending, ended, return_exceptions=True)
    if isinstance(error, Exception) and not isinstance(error, GatewayError):
        raise error
    return await subscription.ended()


def _message(messages: Messages, event: UserEvent) -> users_pb2.UserEvent:
    change: Any = NUMBERS["UserChange"][event.change]
    return users_pb2.UserEvent(
        change=change, user=messages.of(event.user), occurred_at=event.occurred_at, resume_token=event.id
    )


def _refs(ids: Collection[str]) -> Iterator[Ref]:
    if len(ids) > MAX_IDS:
        raise BadUserInput.at(("ids",), f"may name {MAX_IDS} users at most", Rule.MAX_ITEMS, max=MAX_IDS)
    for index, text in enumerate(ids):
        ref = decode(text)
        if ref is None or ref.kind is not Kind.USER:
            raise BadUserInput.at(("ids", index), "is not the global id of a user", Rule.FORMAT, format="globalId")
        yield ref
