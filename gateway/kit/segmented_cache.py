"""A cache bounded by weight, in which entries that are read once do not evict those that are read often."""

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["SegmentedCache"]

Key = TypeVar("Key")
Value = TypeVar("Value")

_PROBATION_SHARE = 0.2  # of the weight


class SegmentedCache(Generic[Key, Value]):
    """Segmented LRU: a new entry is on probation, and becomes protected when it is read.

    Each segment has a share of `max_weight`, so a stream of entries that are never read again passes through probation
    alone. An entry evicted from the protected segment goes back on probation. An entry heavier than the share of
    probation is not stored.
    """

    def __init__(self, max_weight: int) -> None:
        self._probation_limit = int(max_weight * _PROBATION_SHARE)
        self._protected_limit = max_weight - self._probation_limit
        self._probation: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._protected: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._probation_weight = 0
        self._protected_weight = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def __contains__(self, key: Key) -> bool:
        return key in self._protected or key in self._probation

    @property
    def weight(self) -> int:
        """The total weight of all entries."""
        return self._probation_weight + self._protected_weight

    def get(self, key: Key) -> Value | None:
        """Return the value of an entry, None where there is none."""
        entry = self._protected.get(key)
        if entry is not None:
            self._protected.move_to_end(key)
            return entry[0]
        entry = self._probation.pop(key, None)
        if entry is None:
            return None
        self._probation_weight -= entry[1]
        self._protect(key, entry)
        return entry[0]

    def put(self, key: Key, value: Value, weight: int, *, protected: bool = False) -> None:
        """Add an entry, on probation unless it is `protected`; an existing entry is left as it is."""
        if protected and weight <= self._protected_limit and key not in self:
            self._protect(key, (value, weight))
            return
        if weight > self._probation_limit or key in self._probation or key in self._protected:
            return
        self._probation[key] = (value, weight)
        self._probation_weight += weight
        while self._probation_weight > self._probation_limit:
            self._probation_weight -= self._probation.popitem(last=False)[1][1]

    def reweigh(self, key: Key, weight: int) -> None:
        """Change the weight of an entry, if it is in the cache. Without room for it, it is evicted."""
        if (entry := self._probation.pop(key, None)) is not None:
            self._probation_weight -= entry[1]
            self.put(key, entry[0], weight)
        elif (entry := self._protected.pop(key, None)) is not None:
            self._protected_weight -= entry[1]
            if weight <= self._protected_limit:
                self._protect(key, (entry[0], weight))

    def _protect(self, key: Key, entry: tuple[Value, int]) -> None:
        self._protected[key] = entry
        self._protected_weight += entry[1]
        while self._protected_weight > self._protected_limit:
            oldest, (value, weight) = self._protected.popitem(last=False)
            self._protected_weight -= weight
            self.put(oldest, value, weight)
