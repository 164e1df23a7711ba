"""The answers of one operation, for those who follow it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing

from gateway.api.graphql.live.answers import LiveAnswer
from gateway.kit.mailbox import Mailbox

__all__ = ["CatchingUp", "Feed"]

_AT_ONCE = 100  # clients that are told before others get a turn


class Feed:
    """Passes answers on, to the end.

    One that is `shared` ends the followers that are too slow: `queue` answers may wait for each, `slow` makes the last
    one of who is told of one more. Another has a single follower, and waits for it. `alike` says which feeds give the
    same answers to an event; `told` is called whenever an event was told, whose id is `last`. `is_ending`: who joined
    now would not hear why it ends.
    """

    def __init__(
        self,
        answers: AsyncGenerator[LiveAnswer],
        *,
        shared: bool,
        alike: Hashable,
        queue: int,
        slow: Callable[[], LiveAnswer],
        told: Callable[["Feed"], None],
    ) -> None:
        self.shared = shared
        self.alike = alike
        self.last = ""
        self.is_ending = False
        self._answers = answers
        self._queue = queue
        self._slow = slow
        self._told = told
        self._followers: dict[Mailbox[LiveAnswer], None] = {}
        self._over = False

    @property
    def followers(self) -> tuple[Mailbox[LiveAnswer], ...]:
        return tuple(self._followers)

    def join(self) -> Mailbox[LiveAnswer]:
        """Follow from now on."""
        mailbox: Mailbox[LiveAnswer] = Mailbox(self._queue)
        self.adopt(mailbox)
        return mailbox

    def adopt(self, mailbox: Mailbox[LiveAnswer]) -> None:
        """Have that mailbox follow from now on."""
        self._followers[mailbox] = None
        if self._over:
            mailbox.end()

    def leave(self, mailbox: Mailbox[LiveAnswer]) -> None:
        """Follow no longer."""
        self._followers.pop(mailbox, None)

    async def run(self) -> None:
        """Pass on what there is, to its end."""
        try:
            async with aclosing(self._answers) as answers:
                async for answer in answers:
                    self.is_ending = answer.errors is not None
                    if self.shared:
                        await self._tell(answer)
                    else:
                        for mailbox in self.followers:
                            await mailbox.put(answer)
                        self._has_told(answer)
        finally:
            self._over = self.is_ending = True
            for mailbox in self._followers:
                mailbox.end()

    async def _tell(self, answer: LiveAnswer) -> None:
        followers = self.followers
        self._has_told(answer)  # who joins by that has heard of this event already
        for number, mailbox in enumerate(followers, 1):
            if mailbox.is_full and not mailbox.has_ended:
                mailbox.drop(self._slow())
            else:
                mailbox.offer(answer)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)  # so that what was told is sent before the next is

    def _has_told(self, answer: LiveAnswer) -> None:
        if answer.event:
            self.last = answer.event
            self._told(self)


class CatchingUp:
    """After a restart everybody resumes: whoever has caught up costs no more than others.

    Two feeds are level when both have told the same event last: what follows is the same. `merge` is given the feed
    that caught up, and the one out of `shared` that it is level with.
    """

    def __init__(self, shared: Mapping[Hashable, Feed], merge: Callable[[Feed, Feed], None]) -> None:
        self._shared = shared
        self._merge = merge
        self._behind: dict[Hashable, set[Feed]] = {}

    def add(self, feed: Feed) -> None:
        """Watch a feed that resumes."""
        self._behind.setdefault(feed.alike, set()).add(feed)

    def discard(self, feed: Feed) -> None:
        """Watch it no longer."""
        behind = self._behind.get(feed.alike, set())
        behind.discard(feed)
        if not behind:
            self._behind.pop(feed.alike, None)

    def awaits(self, shared: Feed) -> bool:
        """Whether there is one that will want to join that feed."""
        return shared.alike in self._behind

    def told(self, feed: Feed) -> None:
        """See who is level now."""
        if feed.shared:
            for one in tuple(self._behind.get(feed.alike, ())):
                if one.last == feed.last:
                    self._merge(one, feed)
        elif (shared := self._shared.get(feed.alike)) is not None and shared.last == feed.last and not shared.is_ending:
            self._merge(feed, shared)
