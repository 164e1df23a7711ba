"""Counts what each caller has open, and computes the share of a maximum that one caller gets."""

__all__ = ["Counts", "share_of"]


class Counts:
    """How many there are of each key, for example open connections of each caller. A key with none takes no memory."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, key: str) -> int:
        return self._counts.get(key, 0)

    def add(self, key: str) -> None:
        """Count one more of a key."""
        self._counts[key] = self._counts.get(key, 0) + 1

    def remove(self, key: str) -> None:
        """Count one less of a key that has some."""
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]


def share_of(maximum: int, share: float) -> int:
    """Return how many one caller may have of a maximum for all: its share of it, and at least one."""
    return max(1, int(maximum * share))
