"""Subscriptions of callers: restricted to the sources that they may read, until their credential expires."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

from gateway.errors import Forbidden, Unauthenticated
from gateway.events.log import EventLog, Subscription
from gateway.operation import Action, Principal
from gateway.users.ids import Ref
from gateway.users.model import UserSource

__all__ = ["MAX_IDS", "watching"]

MAX_IDS = 1_000  # users that a subscription may name, on each surface


@asynccontextmanager
async def watching(
    log: EventLog,
    principal: Principal,
    *,
    ids: Collection[Ref] = (),
    sources: Sequence[UserSource] = (),
    after: str | None = None,
) -> AsyncIterator[Subscription]:
    """Subscribe as `EventLog.subscribe` does, for a caller; it ends with Unauthenticated when the credential expires.

    Raises:
        Forbidden: the caller may not watch one of the named users or sources, or no source at all.
    """
    watched = _watched_sources(principal, ids, sources)
    async with log.subscribe(ids=ids, sources=watched, after=after) as subscription:
        expiry = _end_at_expiry(principal, subscription)
        try:
            yield subscription
        finally:
            if expiry is not None:
                expiry.cancel()


def _watched_sources(principal: Principal, ids: Iterable[Ref], sources: Sequence[UserSource]) -> Sequence[UserSource]:
    """Return the named sources, or all that the caller may read.

    Sources that are called with forwarded credentials are excluded: which callers may see a changed user is not known
    here.
    """
    for source in (*sources, *(ref.source for ref in ids)):
        principal.require(Action.READ, source)
        if source in principal.forwarded:
            raise Forbidden(f"Users of {source} cannot be watched: this source is called with forwarded credentials.")
    watched = sources or [source for source in principal.readable(UserSource) if source not in principal.forwarded]
    if not watched:
        raise Forbidden("No users can be watched: all sources are called with forwarded credentials.")
    return watched


def _end_at_expiry(principal: Principal, subscription: Subscription) -> asyncio.TimerHandle | None:
    if principal.expires is None:
        return None
    expired = Unauthenticated("The credential has expired. Connect again with a new one and resume.")
    return asyncio.get_running_loop().call_later(principal.expires - time.time(), subscription.end, expired)
