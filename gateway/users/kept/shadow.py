"""Compares what is kept with what was read all the same, in shadow mode."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.users.model import User
from gateway.users.source import Window

__all__ = ["Compared", "ShadowCounts", "ShadowResult", "compare"]


class ShadowResult(StrEnum):
    """How what is kept compares with what was read, in shadow mode."""

    SAME = "same"
    DIFFERENT = "different"
    """They differ, and their times of change do not tell since when."""

    OLDER = "older"
    """A later change is in what was read: it has not been reported yet."""


class Compared(NamedTuple):
    """A result of a comparison, and for how many seconds what is kept has been out of date; 0 where it is the same."""

    result: ShadowResult
    outdated: float


class ShadowCounts:
    """How many reads of a source had each result in shadow mode, and the longest time out of date, in seconds."""

    __slots__ = ("longest", "results")

    def __init__(self) -> None:
        self.results: Counter[ShadowResult] = Counter()
        self.longest = 0.0

    def add(self, result: ShadowResult, outdated: float) -> None:
        """Add a comparison."""
        self.results[result] += 1
        self.longest = max(self.longest, outdated)


def compare(kept: Any, read: Any, *, age: float, now: float) -> Compared:
    """Compare a user, None for none, or a window of users with what was read with the same needs.

    `age` is that of what is kept when it would have been given, in seconds, and `now` that instant in seconds since
    1970. If a later time of change is in what was read, what is kept has been out of date since then, by the clock of
    the source, but no longer than for its age: it was right when it was read. Where nothing tells when the change was,
    it is the age; for example of a user who is gone.
    """
    if kept == read:
        return Compared(ShadowResult.SAME, 0.0)
    if kept is not None and read is None:
        return Compared(ShadowResult.OLDER, age)
    before, after = _last_change(kept), _last_change(read)
    if after is None or (kept is not None and (before is None or after <= before)):
        return Compared(ShadowResult.DIFFERENT, age)
    return Compared(ShadowResult.OLDER, min(max(0.0, now - after.timestamp()), age))


def _last_change(value: Any) -> datetime | None:
    """Return the latest time of change of a user or a window of users; None if there is none."""
    if isinstance(value, Window):
        return max(_changes(value.items), default=None)
    return None if value is None else max(_changes((value,)), default=None)


def _changes(users: Iterable[User]) -> Iterable[datetime]:
    for user in users:
        if user.updated_at is not None:
            try:
                yield user.updated_at.instant()
            except ValueError:  # the source sent something else than an instant
                continue
