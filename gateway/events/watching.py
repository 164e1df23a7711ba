"""Subscriptions of callers: restricted to the sources that they may read."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from gateway.errors import Forbidden
from gateway.events.log import Draining, EventLog, Subscription
from gateway.kit.source_titles import titled
from gateway.principal import Action, Principal
from gateway.users.ids import Ref
from gateway.users.model import UserSource

__all__ = ["MAX_IDS", "OpenSubscriptions", "watching"]

MAX_IDS = 1_000  # users that a subscription may name, on each surface


class OpenSubscriptions:
    """The open subscriptions of one surface: they end when it drains, while changes still report their events."""

    def __init__(self) -> None:
        self._open: set[Subscription] = set()
        self._draining = False

    def drain(self) -> None:
        """End each subscription with Draining, after its queued events, and refuse later ones."""
        self._draining = True
        for subscription in self._open:
            subscription.end(Draining())

    @contextmanager
    def holding(self, subscription: Subscription) -> Iterator[None]:
        """Hold a subscription until the block ends. Raises Draining if the surface drains already."""
        if self._draining:
            raise Draining
        self._open.add(subscription)
        try:
            yield
        finally:
            self._open.discard(subscription)


@asynccontextmanager
async def watching(
    log: EventLog,
    principal: Principal,
    *,
    ids: Collection[Ref] = (),
    sources: Sequence[UserSource] = (),
    after: str | None = None,
) -> AsyncIterator[Subscription]:
    """Subscribe as `EventLog.subscribe` does, for a caller. The surface ends it when the credential is revoked.

    Raises:
        Forbidden: the caller may not watch one of the named users or sources, or no source at all.
    """
    watched = _watched_sources(principal, ids, sources)
    async with log.subscribe(ids=ids, sources=watched, after=after) as subscription:
        yield subscription


def _watched_sources(principal: Principal, ids: Iterable[Ref], sources: Sequence[UserSource]) -> Sequence[UserSource]:
    """Return the named sources, or all that the caller may read.

    Sources that are called with credentials of the callers are excluded: which callers may see a changed user is not
    known here.
    """
    for source in (*sources, *(ref.source for ref in ids)):
        principal.require(Action.READ, source)
        if principal.brings_credential(source):
            kind = "forwarded credentials" if source in principal.forwarded else "a credential of this caller"
            raise Forbidden(f"Users of {titled(source)} cannot be watched: this source is called with {kind}.")
    readable = principal.readable(UserSource)
    watched = sources or [source for source in readable if not principal.brings_credential(source)]
    if not watched:
        kind = "credentials of this caller" if principal.provided else "forwarded credentials"
        raise Forbidden(f"No users can be watched: all sources are called with {kind}.")
    return watched
