"""What was read beyond a page, kept for the page after it."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.users.model import UserSource
from gateway.users.source import Window

__all__ = ["PrefetchedUsers", "Unread"]


@dataclass(frozen=True, slots=True)
class Unread:
    """What is left of a window of one source behind a cursor, and when it was read (`Search.sure`)."""

    window: Window
    sure: bool
    read_at: float


@dataclass(frozen=True, slots=True)
class _Entry:
    needs: frozenset[str]
    unread: Mapping[UserSource, Unread]
    size: int


class PrefetchedUsers:
    """Users in memory, each entry for one cursor and one principal; only a saving: without them they are read again.

    An entry may be used again and again, since a client may ask for a page twice. It holds users as they were read, at
    most `seconds` ago: who changes one through the gateway should `clear`. `most` bounds the users held in all; the
    entries that were used longest ago go first.
    """

    def __init__(
        self, *, most: int = 50_000, seconds: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self.clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._held = 0
        self._cleared = -math.inf

    def keep(self, principal: str, cursor: str, needs: frozenset[str], unread: Mapping[UserSource, Unread]) -> None:
        """Keep what was read behind a cursor; `needs` is what the users were asked to bring along."""
        # What was being read while somebody changed a user may be from before.
        unread = {source: one for source, one in unread.items() if one.read_at > self._cleared}
        size = sum(len(one.window.items) for one in unread.values())
        self._forget((principal, cursor))
        if not 0 < size <= self._most:
            return
        self._entries[principal, cursor] = _Entry(needs, unread, size)
        self._held += size
        while self._held > self._most:
            self._forget(next(iter(self._entries)))

    def find(self, principal: str, cursor: str, needs: frozenset[str]) -> Mapping[UserSource, Unread]:
        """What is still fresh behind that cursor and brings along what is needed."""
        entry = self._entries.get((principal, cursor))
        if entry is None or not needs <= entry.needs:
            return {}
        oldest = self.clock() - self._seconds
        fresh = {source: one for source, one in entry.unread.items() if one.read_at > oldest}
        if fresh:
            self._entries.move_to_end((principal, cursor))
        else:
            self._forget((principal, cursor))
        return fresh

    def clear(self) -> None:
        """Forget everything, also what is being read now."""
        self._cleared = self.clock()
        self._entries.clear()
        self._held = 0

    def _forget(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._held -= entry.size
