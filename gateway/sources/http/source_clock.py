"""The clock of a source, as far as the header `Date` of its responses shows it."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

__all__ = ["SourceClock"]

_MAX_DELAY = 2.0  # seconds: the second that `Date` leaves out, and the way of a response


class SourceClock:
    """Estimates the time by the clock of a source. `wall` is the clock of the gateway, in seconds since 1970.

    If the two agree, as far as `Date` with its whole seconds can show, that of the gateway is used: it is more exact.
    If not, for example because the clock of the gateway is wrong, the estimate is up to a second early and never late.
    """

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._date: str | None = None
        self._received_at = 0.0

    def observe(self, headers: Mapping[str, str]) -> None:
        """Note the time of a response. It is parsed only where it is used: every call comes here."""
        date = headers.get("Date")
        if date is not None:
            self._date, self._received_at = date, self._monotonic()

    def now(self) -> float:
        """Return the time by the clock of the source, in seconds since 1970; that of the gateway if unknown."""
        wall = self._wall()
        try:
            dated = None if self._date is None else parsedate_to_datetime(self._date).timestamp()
        except ValueError:
            dated = None
        if dated is None:
            return wall
        earliest = dated + self._monotonic() - self._received_at
        return wall if earliest <= wall <= earliest + _MAX_DELAY else earliest
