"""The generations of what is kept: by them a read finds out whether something has changed since it began.

Each tag has a generation, the number of the last change of it. A change raises those of the tags that it concerns; a
refusal of a credential raises that of the credential.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.users.ids import Kind
from gateway.users.kept.record_keys import Tag
from gateway.users.model import UserSource

__all__ = ["Generations", "Read"]


@dataclass(slots=True, eq=False)
class Read:
    """A read of a source that is under way. `number` is the number of the last change before it."""

    source: UserSource
    kind: Kind
    tags: tuple[Tag, ...]
    began_at: float
    number: int


class Generations:
    """The generations of all tags, as far as reads that began before them are under way.

    `last` is the number of the last change of all.
    """

    def __init__(self) -> None:
        self.last = 0
        self._of_tags: OrderedDict[Tag, int] = OrderedDict()  # the oldest first
        self._of_all: dict[tuple[UserSource | None, Kind | None], int] = {}  # of all tags of a source and kind
        self._reads: dict[Read, None] = {}  # the oldest first

    def begin(self, source: UserSource, kind: Kind, tags: tuple[Tag, ...], now: float) -> Read:
        """Begin a read of records of a kind, whose result depends on these tags; call `end` in any case."""
        read = Read(source, kind, tags, now, self.last)
        self._reads[read] = None
        return read

    def end(self, read: Read) -> None:
        """End a read, and forget the changes that concern no other one."""
        self._reads.pop(read, None)
        oldest = next(iter(self._reads), None)
        if oldest is None:
            self._of_tags.clear()
            return
        while self._of_tags and next(iter(self._of_tags.values())) <= oldest.number:
            self._of_tags.popitem(last=False)

    def are_unchanged(self, read: Read, tags: Iterable[Tag]) -> bool:
        """Return whether nothing with these tags has changed since a read began."""
        if self.last == read.number:
            return True
        source, kind = read.source, read.kind
        for key in ((None, None), (source, None), (None, kind), (source, kind)):
            if self._of_all.get(key, 0) > read.number:
                return False
        return all(self._of_tags.get(tag, 0) <= read.number for tag in tags)

    def raise_tags(self, *tags: Tag) -> None:
        """Count a change of these tags."""
        self.last += 1
        if self._reads:
            for tag in tags:
                self._of_tags[tag] = self.last
                self._of_tags.move_to_end(tag)

    def raise_all(self, source: UserSource | None = None, kind: Kind | None = None) -> None:
        """Count a change of everything of a source and kind, None for all."""
        self.last += 1
        self._of_all[source, kind] = self.last
