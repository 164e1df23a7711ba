"""Which sources report their changes at present."""

import time
from collections.abc import Callable, Mapping

from gateway.users.model import UserSource

__all__ = ["ChangeFeeds"]

_INTERVALS = 2  # after which the changes of a source that is polled count as no longer reported


class ChangeFeeds:
    """The sources whose changes are reported to this process: by polling, at an interval in seconds for each.

    Another replica may be the one that polls: the event log is common to all. A webhook alone is no proof: one that is
    lost is not missed.
    """

    def __init__(self, intervals: Mapping[UserSource, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._intervals = intervals
        self._clock = clock
        self._complete_until: dict[UserSource, float] = {}

    def complete(self, source: UserSource, until: float) -> None:
        """Note that all changes of a source before an instant, on the clock of this object, are in the event log."""
        self._complete_until[source] = max(until, self._complete_until.get(source, until))

    def is_reported(self, source: UserSource) -> bool:
        """Return whether the last successful poll of a source began within two intervals."""
        until = self._complete_until.get(source)
        return until is not None and self._clock() - until < _INTERVALS * self._intervals[source]

    def known_until(self, source: UserSource) -> float | None:
        """Return the instant before which all changes of a source are known; None: no poll has succeeded."""
        return self._complete_until.get(source)

    def seconds_left(self, source: UserSource) -> float:
        """Return for how long the changes of a source count as reported, without a further poll; 0: they do not."""
        until = self._complete_until.get(source)
        return 0.0 if until is None else max(0.0, until + _INTERVALS * self._intervals[source] - self._clock())
