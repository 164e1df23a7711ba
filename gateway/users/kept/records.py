"""Kept records: what was read from the sources and is kept until it changes, for all surfaces of one process.

One keeper holds users, pages of users and reference data. An entry is dropped when its record is known to have changed,
however that became known: by a change that this gateway carried out, a webhook, a poll, or the event of another
replica. A read stores its result only if nothing that the result depends on has changed since the read began: otherwise
it could put back what a change has just dropped.

What an entry depends on are its tags (`record_keys.py`); a change raises their generations (`generations.py`).
How long an entry may be used is decided elsewhere (`lifetimes.py`). All rules: docs/freshness.md.
"""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from gateway.freshness import StaleReason
from gateway.principal import CONFIGURED_CREDENTIALS, is_brought_by
from gateway.users.ids import Kind
from gateway.users.kept.generations import Generations, Read
from gateway.users.kept.record_keys import CredentialTag, Key, PageKey, RecordKey, RecordTag, Tag, is_of, tags_of
from gateway.users.model import User, UserSource
from gateway.users.source import Window

__all__ = [
    "Kept",
    "KeptRecords",
    "KeptResult",
    "StaleObserver",
]


StaleObserver = Callable[[UserSource, StaleReason, float], None]
"""Receives each record that is given past its lifetime: its source, why it is given, and its age in seconds."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A value that is kept: a record, None if the source had none, or a window of users.

    `needs` are those that it was read with, `read_at` is when the read began, on the clock of the keeper.
    """

    value: Any
    needs: frozenset[str]
    read_at: float


class KeptResult(StrEnum):
    """What became of a read, for metrics."""

    HIT = "hit"
    """It was answered by what is kept."""

    PARTIAL = "partial"
    """What is kept lacked some of the needs: it was read with these too."""

    MISS = "miss"
    """It was not kept, or no longer fresh."""

    STALE = "stale"
    """It was answered by what is kept, past its lifetime."""

    BYPASS = "bypass"
    """What is kept was not to be used: the caller requested that, the operation is a change, or in shadow mode."""

    REFUSED_WRITE = "refused_write"
    """It was read and not kept: it changed meanwhile. Such a read counts as a miss, too."""


class _Entry(msgspec.Struct, gc=False):
    kept: Kept
    tags: tuple[Tag, ...]
    size: int


_BRIEF = (Window, type(None))  # what is used for some seconds, while a user is used for minutes
_SHARE_OF_BRIEF = 0.25  # of the bytes
_READ_AHEAD = 100  # users: more of them are read for later pages
_OVERHEAD = 700  # bytes of an entry beside its value: key, tags, and their places in the dictionaries
_ABSENCE = 700  # more of one that states that there is no such record: it has a second tag


class KeptRecords:
    """Keeps the results of reads, at most about `max_bytes` of them; the least recently used are dropped first.

    `results` counts what became of reads, and `evicted` the entries that were dropped for lack of room.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 128 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        observe_stale: StaleObserver = lambda *_: None,
    ) -> None:
        self.clock = clock
        self.max_bytes = max_bytes
        self.results: Counter[tuple[UserSource, KeptResult]] = Counter()
        self.evicted = 0
        self._observe_stale = observe_stale
        self._generations = Generations()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._tagged: dict[Tag, set[Key]] = {}
        self._brought: dict[str, set[Key]] = {}  # of each credential that callers bring
        self._size = 0
        self._brief: OrderedDict[Key, None] = OrderedDict()  # pages, and records that no source has
        self._brief_size = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The estimated size of all entries, in bytes."""
        return self._size

    def count_stale(self, source: UserSource, reason: StaleReason, age: float) -> None:
        """Count a read that was answered by what is kept, `age` seconds after it was read, past its lifetime."""
        self.results[source, KeptResult.STALE] += 1
        self._observe_stale(source, reason, age)

    def find(self, key: Key) -> Kept | None:
        """Return what is kept under a key, however old it is."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        if isinstance(entry.kept.value, _BRIEF):
            self._brief.move_to_end(key)
        return entry.kept

    def begin(self, source: UserSource, kind: Kind, *tags: Tag) -> Read:
        """Begin a read of records of a kind, whose result depends on these tags; call `end` in any case."""
        return self._generations.begin(source, kind, tags, self.clock())

    def end(self, read: Read) -> None:
        """End a read."""
        self._generations.end(read)

    def store(self, key: Key, read: Read, value: Any, needs: frozenset[str], *, beside: bool = False) -> bool:
        """Keep a result of a read, and return whether it was kept.

        It is not where something that it depends on has changed since the read began, or where what is kept already is
        newer. `beside`: the record was read beside others, so that it replaces none that was read with more needs,
        unless it shows that the record was changed since, and none that shows a later change.
        """
        tags = tags_of(key, read.tags, value)
        return self._store(key, read, value, needs, tags=tags, size=_size(value), beside=beside)

    def store_rows(
        self, read: Read, credential: str, window: Window, row_needs: Callable[[User], frozenset[str] | None]
    ) -> None:
        """Keep the users of a window that was read with a credential, each with its needs; None: it is not kept.

        Those of a large window, of which most were read ahead, take only the room that is left.
        """
        size = _size(window.items[0]) if window.items else 0
        room = self.max_bytes - self._size if len(window.items) > _READ_AHEAD else math.inf
        for user in window.items:
            needs = row_needs(user)
            if needs is not None and size + _OVERHEAD <= room:
                ref = user.ref
                before = self._size
                key, tags = RecordKey(credential, ref), (RecordTag.of(ref),)
                self._store(key, read, user, needs, tags=tags, size=size, beside=True)
                room -= self._size - before

    def _store(
        self,
        key: Key,
        read: Read,
        value: Any,
        needs: frozenset[str],
        *,
        tags: tuple[Tag, ...],
        size: int,
        beside: bool,
    ) -> bool:
        entry = self._entries.get(key)
        if not self._generations.are_unchanged(read, (*tags, CredentialTag(key.credential))):
            return False
        if entry is not None:
            kept = entry.kept
            if kept.read_at > read.began_at:
                return False
            if beside and _is_earlier(value, kept.value):
                return False
            if beside and not kept.needs <= needs and _may_be_same(kept.value, value):
                return False
            self._remove(key)
        size += _OVERHEAD + _size_of_texts(key)
        self._entries[key] = _Entry(Kept(value, needs, read.began_at), tags, size)
        self._index(key, tags)
        self._size += size
        if isinstance(value, _BRIEF):
            self._brief[key] = None
            self._brief_size += size
            while self._brief_size > self.max_bytes * _SHARE_OF_BRIEF:
                self._remove(next(iter(self._brief)))
                self.evicted += 1
        while self._size > self.max_bytes:
            self._remove(next(iter(self._entries)))
            self.evicted += 1
        return True

    def _index(self, key: Key, tags: tuple[Tag, ...]) -> None:
        """Let an entry be found by its tags, and by its credential if a caller brings that."""
        for tag in tags:
            tagged = self._tagged.get(tag)
            if tagged is None:
                self._tagged[tag] = {key}
            else:
                tagged.add(key)
        if key.credential not in CONFIGURED_CREDENTIALS:
            self._brought.setdefault(key.credential, set()).add(key)

    def store_change(
        self, read: Read, tags: tuple[Tag, ...], key: RecordKey, user: User, needs: frozenset[str]
    ) -> bool:
        """Raise the generation of the tags because of a change that was carried out here, and keep the user after it.

        `read` began before the change was sent. The user is not kept where something else has changed since then: which
        of the two changes the source carried out last is not known.
        """
        are_unchanged = self._generations.are_unchanged(read, (*tags, CredentialTag(key.credential)))
        self.change(*tags)
        read.number = self._generations.last
        return are_unchanged and self.store(key, read, user, needs)

    def change(self, *tags: Tag, unless: Any = None, is_unchanged: Callable[[Any], bool] | None = None) -> None:
        """Raise the generation of the tags: their entries are dropped, and reads under way are not stored.

        An entry whose record equals `unless` is not dropped, nor one for which `is_unchanged` returns True: it is as it
        is after the change.
        """
        self._generations.raise_tags(*tags)
        for tag in tags:
            for key in tuple(self._tagged.get(tag, ())):
                value = self._entries[key].kept.value
                if unless is not None and value == unless:
                    continue
                if is_unchanged is None or not is_unchanged(value):
                    self._remove(key)

    def drop(self, source: UserSource | None = None, kind: Kind | None = None) -> None:
        """Drop everything of a source and kind, None for all, and let no read of it be stored that is under way."""
        self._generations.raise_all(source, kind)
        for key in [key for key in self._entries if is_of(key, source, kind)]:
            self._remove(key)

    def drop_credential(self, credential: str) -> None:
        """Drop what was read with a credential that a caller brings, and let no read of it be stored that is under way.

        It takes no longer where much is kept for others: a caller could let each of its calls be refused.
        """
        self._generations.raise_tags(CredentialTag(credential))
        for key in tuple(self._brought.get(credential, ())):
            self._remove(key)

    def drop_caller(self, name: str) -> None:
        """Drop everything that was read with credentials that the principals of a name alone have brought."""
        self._generations.raise_all()  # no read under way is stored: the credential of each is not known
        for credential in [credential for credential in self._brought if is_brought_by(credential, name)]:
            for key in tuple(self._brought[credential]):
                self._remove(key)

    def close(self) -> None:
        """Drop everything, and keep nothing any more."""
        self.max_bytes = 0
        self.drop()

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._size -= entry.size
        if isinstance(entry.kept.value, _BRIEF):
            del self._brief[key]
            self._brief_size -= entry.size
        brought = self._brought.get(key.credential)
        if brought is not None:
            brought.discard(key)
            if not brought:
                del self._brought[key.credential]
        for tag in entry.tags:
            tagged = self._tagged[tag]
            tagged.discard(key)
            if not tagged:
                del self._tagged[tag]


def _may_be_same(kept: Any, value: Any) -> bool:
    """Return whether two records of one id, None if there was none, show the same change."""
    before, after = getattr(kept, "updated_at", None), getattr(value, "updated_at", None)
    return (kept is None) is (value is None) and (before is None or after is None or before == after)


def _is_earlier(value: Any, kept: Any) -> bool:
    """Return whether a record shows an earlier change than what is kept of it: some lists learn of changes late."""
    before, after = getattr(kept, "updated_at", None), getattr(value, "updated_at", None)
    if before is None or after is None or before == after:
        return False
    try:
        return bool(after.instant() < before.instant())
    except ValueError:  # the text of a source is no time
        return False


def _size(value: Any) -> int:
    """Estimate the bytes that a value takes: three times its JSON, of a window that of its first user for each."""
    if isinstance(value, Window):
        return len(value.items) * _size(value.items[0]) if value.items else _ABSENCE
    if value is None:
        return _ABSENCE
    return 3 * len(msgspec.json.encode(value, enc_hook=str))


def _size_of_texts(key: Key) -> int:
    """Estimate the bytes of the texts in a key, which clients choose, and of the same texts in its tags."""
    if isinstance(key, PageKey):
        texts = f"{key.credential}{key.position}{key.query}"
    else:
        texts = key.credential + key.ref.tenant + key.ref.source_id
    return len(texts) * (2 if texts.isascii() else 10)  # in lower case, one character can be three
