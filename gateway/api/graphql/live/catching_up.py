"""Feeds that began with what had happened already, until they are level with the shared feed of their kind."""

from collections.abc import Callable, Hashable, Mapping

from gateway.api.graphql.live.feed import Feed

__all__ = ["CatchingUp"]


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
