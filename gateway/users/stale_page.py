"""Pages of users that are given although their lifetime has ended."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.freshness import StaleRead
from gateway.users.model import Timestamp, UserSource
from gateway.users.source import Unavailable

__all__ = ["StalePage", "failed_but_kept"]


@dataclass(frozen=True, slots=True)
class StalePage:
    """A page that was given although its lifetime had ended, and the error of its source if that is the reason.

    `as_of` is when it was read.
    """

    read: StaleRead
    as_of: Timestamp
    error: GatewayError | None = None

    @property
    def age(self) -> float:
        """The age of the page, in seconds."""
        return self.read.age


def failed_but_kept(pages: Iterable[StalePage]) -> list[Unavailable]:
    """Return the sources that failed and whose pages were kept, each with when the oldest of them was read."""
    oldest: dict[UserSource, Unavailable] = {}
    for page in sorted(pages, key=lambda page: -page.age):
        source = UserSource(page.read.source)
        if page.error is not None and source not in oldest:
            oldest[source] = Unavailable.of(source, page.error, page.as_of)
    return list(oldest.values())
