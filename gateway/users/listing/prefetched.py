"""Prefetched users: users that were read for one page and not returned on it, kept in memory for the next one."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.users.model import UserSource
from gateway.users.source import Window

__all__ = ["PrefetchedUsers", "PrefetchedWindow"]


@dataclass(frozen=True, slots=True)
class PrefetchedWindow:
    """The part of a source's window that comes after a cursor, and the time of reading on the clock of the cache.

    `exact`: all users that the walk passed come before these (`AnchorSearch.exact`).
    """

    window: Window
    exact: bool
    read_at: float


@dataclass(frozen=True, slots=True)
class _Entry:
    needs: frozenset[str]
    windows: dict[UserSource, PrefetchedWindow]


class PrefetchedUsers:
    """A cache of prefetched users, an entry for each cursor and principal. Without an entry, users are read again.

    An entry can be used several times, since a client may request a page twice. Each walk has its entries, because the
    cursors of two walks differ. The users in an entry were read at most `seconds` ago, which is how old a page can be
    where nobody reports a change, or fewer where lists are kept (`UserReader.accepts_prefetched`); call `clear` when a
    change is known. At most `max_users` are held in all: the least recently used entries are removed first, and once
    they have expired.
    """

    def __init__(
        self, *, max_users: int = 50_000, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_users = max_users
        self.seconds = seconds
        self.clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._keys: dict[UserSource, set[tuple[str, str]]] = {source: set() for source in UserSource}  # of its windows
        self._size = 0
        self._cleared_at = dict.fromkeys(UserSource, -math.inf)  # users that were read before that are not used
        self._dropped_at: OrderedDict[str, float] = OrderedDict()  # the same for a principal, in the order of the times

    def store(
        self, principal: str, cursor: str, needs: frozenset[str], windows: Mapping[UserSource, PrefetchedWindow]
    ) -> None:
        """Store the users after a cursor, which were read with these needs."""
        # A read that was under way when a user was changed may have returned the user before the change.
        dropped_at = self._dropped_at.get(principal, -math.inf)
        windows = {
            source: window
            for source, window in windows.items()
            if window.read_at > max(dropped_at, self._cleared_at[source])
        }
        size = sum(len(prefetched.window.items) for prefetched in windows.values())
        self._remove((principal, cursor))
        self._remove_expired()
        if not 0 < size <= self._max_users:
            return
        self._entries[principal, cursor] = _Entry(needs, windows)
        self._size += size
        for source in windows:
            self._keys[source].add((principal, cursor))
        while self._size > self._max_users:
            self._remove(next(iter(self._entries)))

    def find(self, principal: str, cursor: str, needs: frozenset[str]) -> Mapping[UserSource, PrefetchedWindow]:
        """Return the windows after that cursor that have not expired and fulfil the needs."""
        entry = self._entries.get((principal, cursor))
        if entry is None or not needs <= entry.needs:
            return {}
        expired = self.clock() - self.seconds
        windows = {source: window for source, window in entry.windows.items() if window.read_at > expired}
        if windows:
            self._entries.move_to_end((principal, cursor))
        else:
            self._remove((principal, cursor))
        return windows

    def clear(self, changed: UserSource | None = None) -> None:
        """Let no users of a source be used that were read until now, also by reads that are under way; None: of any."""
        now = self.clock()
        for source in UserSource if changed is None else (changed,):
            self._cleared_at[source] = now
            keys = self._keys[source]
            if not keys:
                continue
            for key in keys:
                windows = self._entries[key].windows
                self._size -= len(windows.pop(source).window.items)
                if not windows:
                    del self._entries[key]
            keys.clear()

    def drop(self, principal: str) -> None:
        """Let no users be used that were read until now for a principal, also by reads that are under way."""
        now = self.clock()
        self._dropped_at.pop(principal, None)
        self._dropped_at[principal] = now
        while next(iter(self._dropped_at.values())) < now - self.seconds:  # what was read by then has expired
            self._dropped_at.popitem(last=False)
        for key in [key for key in self._entries if key[0] == principal]:
            self._remove(key)

    def _remove_expired(self) -> None:
        """Remove the entries that were used last before all others, as far as they have expired."""
        expired = self.clock() - self.seconds
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if any(window.read_at > expired for window in entry.windows.values()):
                return
            self._remove(key)

    def _remove(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        for source, prefetched in () if entry is None else entry.windows.items():
            self._size -= len(prefetched.window.items)
            self._keys[source].discard(key)
