"""A cache bounded by weight, in which what is asked for once cannot push out what is asked for often."""

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["SegmentedCache"]

Key = TypeVar("Key")
Value = TypeVar("Value")

_ON_TRIAL = 0.2  # of the weight: for what was asked for once


class SegmentedCache(Generic[Key, Value]):
    """Segmented LRU: a new entry is on trial, one that is asked for again is established.

    Each segment has its own share of `most`, so a stream of entries that never repeat passes through the trial alone.
    What falls out of the established goes back on trial. An entry heavier than the trial's share is not kept.
    """

    def __init__(self, most: int) -> None:
        self._trial_most = int(most * _ON_TRIAL)
        self._established_most = most - self._trial_most
        self._trial: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._established: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._trial_weight = 0
        self._established_weight = 0

    def __len__(self) -> int:
        return len(self._trial) + len(self._established)

    def __contains__(self, key: Key) -> bool:
        return key in self._established or key in self._trial

    @property
    def weight(self) -> int:
        """What all entries weigh."""
        return self._trial_weight + self._established_weight

    def get(self, key: Key) -> Value | None:
        """The entry, or None."""
        entry = self._established.get(key)
        if entry is not None:
            self._established.move_to_end(key)
            return entry[0]
        entry = self._trial.pop(key, None)
        if entry is None:
            return None
        self._trial_weight -= entry[1]
        self._establish(key, entry)
        return entry[0]

    def put(self, key: Key, value: Value, weight: int) -> None:
        """Add an entry on trial."""
        if weight > self._trial_most or key in self._trial or key in self._established:
            return
        self._trial[key] = (value, weight)
        self._trial_weight += weight
        while self._trial_weight > self._trial_most:
            self._trial_weight -= self._trial.popitem(last=False)[1][1]

    def _establish(self, key: Key, entry: tuple[Value, int]) -> None:
        self._established[key] = entry
        self._established_weight += entry[1]
        while self._established_weight > self._established_most:
            oldest, (value, weight) = self._established.popitem(last=False)
            self._established_weight -= weight
            self.put(oldest, value, weight)
