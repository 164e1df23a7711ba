"""When each source last reported its changes."""

import time
from collections.abc import Callable, Mapping

__all__ = ["FeedLag"]


class FeedLag:
    """The seconds since each source last reported its changes to this process, by polling or by a webhook.

    A feed counts from `expect` on. One that another replica polls has no lag here: that replica has it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reported: dict[str, float] = {}

    def expect(self, source: str) -> None:
        """Let the feed of a source begin, unless it has: from now on it has a lag."""
        self._reported.setdefault(source, self._clock())

    def reported(self, source: str) -> None:
        """Note that the source has reported its changes, be it that there are none."""
        self._reported[source] = self._clock()

    def left_to_another(self, source: str) -> None:
        """Note that another replica polls the source."""
        self._reported.pop(source, None)

    def seconds(self) -> Mapping[str, float]:
        """Return the lag of each feed."""
        now = self._clock()
        return {source: now - reported for source, reported in self._reported.items()}
