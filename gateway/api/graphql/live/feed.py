"""A feed executes one live operation and puts each response into the mailboxes of its clients.

A *shared* feed serves all equal subscriptions, from now on. A subscription that resumes after an earlier event first
needs the events since then, so it gets a *separate* feed, with itself as the only client. Once the last event of both
feeds is the same, everything that follows is the same too: `ResumedFeeds` finds such pairs, and the client is moved to
the shared feed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing

from gateway.api.graphql.live.responses import LiveResponse
from gateway.kit.mailbox import Mailbox

__all__ = ["Feed", "ResumedFeeds"]

_MAILBOXES_AT_ONCE = 100  # mailboxes that are filled before other tasks may run


class Feed:
    """Puts all responses of one operation into the mailboxes of its clients.

    A mailbox holds up to `queue` responses. A shared feed waits for no client: a mailbox that is full is emptied, and
    ended with the response that `slow_reader` returns. A separate feed waits until there is room.

    `key` is equal for feeds that give the same response to the same event. `last_event` is the id of the last event
    that was passed on; `on_event` is called whenever it changes. `is_closing` is true from the last response on: a
    client that joined now would not receive the reason for the end. `counted_for` is the identity of the caller if the
    feed counts as one of its different subscriptions.
    """

    def __init__(
        self,
        responses: AsyncGenerator[LiveResponse],
        *,
        shared: bool,
        key: Hashable,
        queue: int,
        slow_reader: Callable[[], LiveResponse],
        on_event: Callable[["Feed"], None],
    ) -> None:
        self.shared = shared
        self.key = key
        self.last_event = ""
        self.is_closing = False
        self.counted_for: str | None = None
        self._responses = responses
        self._queue = queue
        self._slow_reader = slow_reader
        self._on_event = on_event
        self._mailboxes: dict[Mailbox[LiveResponse], None] = {}
        self._closed = False

    @property
    def mailboxes(self) -> tuple[Mailbox[LiveResponse], ...]:
        return tuple(self._mailboxes)

    def join(self) -> Mailbox[LiveResponse]:
        """Return a new mailbox that receives the responses from now on."""
        mailbox: Mailbox[LiveResponse] = Mailbox(self._queue)
        self.add(mailbox)
        return mailbox

    def add(self, mailbox: Mailbox[LiveResponse]) -> None:
        """Put the responses into that mailbox too, from now on."""
        self._mailboxes[mailbox] = None
        if self._closed:
            mailbox.close()

    def remove(self, mailbox: Mailbox[LiveResponse]) -> None:
        """Put no more responses into that mailbox."""
        self._mailboxes.pop(mailbox, None)

    async def run(self) -> None:
        """Pass on all responses, then end the mailboxes."""
        try:
            async with aclosing(self._responses) as responses:
                async for response in responses:
                    self.is_closing = response.errors is not None
                    if self.shared:
                        await self._broadcast(response)
                    else:
                        for mailbox in self.mailboxes:
                            await mailbox.put(response)
                        self._passed(response)
        finally:
            self._closed = self.is_closing = True
            for mailbox in self._mailboxes:
                mailbox.close()

    async def _broadcast(self, response: LiveResponse) -> None:
        mailboxes = self.mailboxes
        self._passed(response)  # a mailbox that is added by this call has received this event already
        for number, mailbox in enumerate(mailboxes, 1):
            if mailbox.is_full and not mailbox.is_closed:
                mailbox.close_with(self._slow_reader())
            else:
                mailbox.offer(response)
            if number % _MAILBOXES_AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)  # the clients' tasks send this response before the next one is made

    def _passed(self, response: LiveResponse) -> None:
        if response.event_id:
            self.last_event = response.event_id
            self._on_event(self)


class ResumedFeeds:
    """Finds the separate feeds that have caught up with a shared feed, so that they can be merged into it.

    When a replica restarts, all its clients resume. Without merging, each of them would need a feed for good.

    `shared` maps keys to shared feeds. `merge` is called with a separate feed and the shared feed that has the same key
    and the same last event.
    """

    def __init__(self, shared: Mapping[Hashable, Feed], merge: Callable[[Feed, Feed], None]) -> None:
        self._shared = shared
        self._merge = merge
        self._feeds: dict[Hashable, set[Feed]] = {}

    def add(self, feed: Feed) -> None:
        """Compare that separate feed with the shared feed of its key from now on."""
        self._feeds.setdefault(feed.key, set()).add(feed)

    def discard(self, feed: Feed) -> None:
        """Compare that feed no more."""
        feeds = self._feeds.get(feed.key, set())
        feeds.discard(feed)
        if not feeds:
            self._feeds.pop(feed.key, None)

    def has_feeds_for(self, shared: Feed) -> bool:
        """Return whether there are feeds that will be merged into that shared feed."""
        return shared.key in self._feeds

    def compare(self, feed: Feed) -> None:
        """Merge what can be merged now that the last event of that feed, of either sort, has changed."""
        if feed.shared:
            for resumed in tuple(self._feeds.get(feed.key, ())):
                if resumed.last_event == feed.last_event:
                    self._merge(resumed, feed)
        elif (
            (shared := self._shared.get(feed.key)) is not None
            and shared.last_event == feed.last_event
            and not shared.is_closing
        ):
            self._merge(feed, shared)
