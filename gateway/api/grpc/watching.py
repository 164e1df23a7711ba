"""WatchUsers: what happens to users, as a stream."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from typing import Any, Generic, TypeVar

from gateway.api.grpc.calls import Call
from gateway.api.grpc.enums import NUMBERS, sources_of
from gateway.api.grpc.messages import message_of
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.errors import BadUserInput, GatewayError
from gateway.events.log import Draining, EventLog, SlowReader, Subscription, UserEvent
from gateway.events.watching import MOST_IDS, watching
from gateway.users.ids import Kind, Ref, decode

__all__ = ["RESUME_TOKEN", "Rendered", "Watching"]

R = TypeVar("R")
_MOST = 256  # as many as may wait for one reader, so that the slowest finds what the quickest had made


class Rendered(Generic[R]):
    """Renders events, and keeps the latest `most` of what it made: by their ids, which no two events share."""

    def __init__(self, render: Callable[[UserEvent], R], *, most: int = _MOST) -> None:
        self._render = render
        self._most = most
        self._made: OrderedDict[str, R] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, event: UserEvent) -> R:
        """The event's form; it is shared, so nobody may alter it."""
        try:
            return self._made[event.id]
        except KeyError:
            made = self._made[event.id] = self._render(event)
        if len(self._made) > self._most:
            self._made.popitem(last=False)
        return made


RESUME_TOKEN = "usergateway-resume-token"  # noqa: S105 - the name of a header

_LAST_WORDS = 1.0  # seconds to send what waits when the server drains


class Watching:
    """The streams of one server, out of one log; all of them end when the server drains."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._message = Rendered(_message)  # one for all who watch
        self._streams: set[Subscription] = set()
        self._draining = False

    def drain(self) -> None:
        """End every stream once what had happened was sent, and take no new one."""
        self._draining = True
        for subscription in self._streams:
            subscription.end(Draining())

    async def watch_users(self, request: users_pb2.WatchUsersRequest, call: Call, context: Any) -> None:
        """Write events to the context; raises what ends them."""
        ids, sources = list(_refs(request.ids)), sources_of(request.sources, ("sources",))
        if self._draining:
            raise Draining
        after = request.resume_token or None
        async with watching(self._events, call.principal, ids=ids, sources=sources, after=after) as subscription:
            self._streams.add(subscription)
            if self._draining:  # since it was asked above
                subscription.end(Draining())
            try:
                # At once, so that the client knows from when on it misses nothing.
                headers = ((RESUME_TOKEN, subscription.start), ("x-request-id", call.request_id))
                await context.send_initial_metadata(headers)
                raise await _sent(subscription, context, self._message)
            finally:
                self._streams.discard(subscription)


async def _sent(
    subscription: Subscription, context: Any, message: Callable[[UserEvent], users_pb2.UserEvent]
) -> GatewayError:
    """Send events until there will be no more; a client that reads none of them does not hold up the end."""

    async def send() -> None:
        async for event in subscription:
            await context.write(message(event))

    sending = asyncio.ensure_future(send())
    ending = asyncio.ensure_future(subscription.ended())
    try:
        await asyncio.wait({sending, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done() and not isinstance(ending.result(), SlowReader):
            await asyncio.wait({sending}, timeout=_LAST_WORDS)
    finally:
        sending.cancel()
        ending.cancel()
        [why, _] = await asyncio.gather(sending, ending, return_exceptions=True)
    if isinstance(why, Exception) and not isinstance(why, GatewayError):
        raise why
    return await subscription.ended()


def _message(event: UserEvent) -> users_pb2.UserEvent:
    change: Any = NUMBERS["UserChange"][event.change]
    return users_pb2.UserEvent(
        change=change, user=message_of(event.user), occurred_at=event.occurred_at, resume_token=event.id
    )


def _refs(ids: Collection[str]) -> Iterator[Ref]:
    if len(ids) > MOST_IDS:
        raise BadUserInput.at(("ids",), f"may name {MOST_IDS} users at most")
    for index, text in enumerate(ids):
        ref = decode(text)
        if ref is None or ref.kind is not Kind.USER:
            raise BadUserInput.at(("ids", index), "is no global id of a user")
        yield ref
