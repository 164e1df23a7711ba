"""Pages of users that are given although their lifetime has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.freshness import StaleRead
from gateway.users.model import Timestamp, UserSource
from gateway.users.unavailable import Unavailable

__all__ = ["StalePage", "unavailable_sources"]


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


def unavailable_sources(
    errors: Mapping[UserSource, GatewayError], pages: Sequence[StalePage]
) -> tuple[Unavailable, ...]:
    """Return the sources that failed, in their order.

    Of one whose pages were given all the same, it is stated when the oldest of them was read.
    """
    if not errors and not pages:
        return ()
    found = {source: Unavailable.of(source, error) for source, error in errors.items()}
    for page in sorted(pages, key=lambda page: -page.age):
        source = UserSource(page.read.source)
        if page.error is not None and source not in found:
            found[source] = Unavailable.of(source, page.error, page.as_of)
    return tuple(found[source] for source in UserSource if source in found)
