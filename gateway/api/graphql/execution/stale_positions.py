"""The positions of a response that have records past their lifetime, as `extensions.freshness` lists them."""

from collections.abc import Hashable
from typing import Any

import msgspec
from graphql.pyutils import Path

from gateway.freshness import FreshnessReport, StaleRead

__all__ = ["StalePositions"]

_Keys = tuple[str | int, ...]


class StalePositions(msgspec.Struct):  # one is created for each operation
    """Collects the positions of one operation's response whose records were given past their lifetime.

    `mark` is called with each record that was looked up, whether it is stale or not.
    """

    report: FreshnessReport
    _marked: dict[tuple[_Keys, str], StaleRead] = {}
    _by_subject: dict[Hashable, StaleRead] = {}
    _indexed: int = 0

    def mark(self, subject: Hashable, path: Path) -> None:
        """Mark a position if what it has, a record by its reference or a list by its read, is stale."""
        reads = self.report.stale
        if not reads:
            return
        self._by_subject |= {read.subject: read for read in reads[self._indexed :]}
        self._indexed = len(reads)
        read = self._by_subject.get(subject)
        if read is not None:
            self.mark_read(read, path)

    def mark_read(self, read: StaleRead, path: Path) -> None:
        """Mark the position of what was read; of several reads of a source for it, the oldest counts."""
        position = (tuple(path.as_list()), read.source)
        known = self._marked.get(position)
        if known is None or known.age < read.age:
            self._marked[position] = read

    def added_to(self, extensions: dict[str, Any] | None, data: Any = None) -> dict[str, Any] | None:
        """Return the extensions of a response with the positions, by their path, then by their source.

        In a path, names are in alphabetical order and indices in numerical order; ages are in seconds. With the `data`
        of the response, only those are listed that it has: a null may have taken the place of what is around one.
        """
        found = [
            {
                "path": list(path),
                "source": read.source.upper(),
                "age": round(read.age, 3),
                "reason": read.reason,
            }
            for (path, _), read in sorted(self._marked.items(), key=_order)
            if data is None or _has(data, path)
        ]
        return {**(extensions or {}), "freshness": found} if found else extensions


def _order(item: tuple[tuple[_Keys, str], StaleRead]) -> tuple[list[tuple[int, str]], str]:
    path, source = item[0]
    return [(key, "") if isinstance(key, int) else (-1, key) for key in path], source


def _has(data: Any, path: _Keys) -> bool:
    """Return whether the data has a value at a path, which may be null."""
    for key in path:
        if data is None:
            return False
        data = data[key]
    return True
