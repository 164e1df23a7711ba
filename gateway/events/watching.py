"""Following the log on a caller's behalf: what they may see of it, and for how long."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

from gateway.errors import Forbidden, Unauthenticated
from gateway.events.log import EventLog, Subscription
from gateway.operation import Action, Principal
from gateway.users.ids import Ref
from gateway.users.model import UserSource

__all__ = ["MOST_IDS", "watching"]

MOST_IDS = 1_000  # users that a subscription may name, by whichever surface


@asynccontextmanager
async def watching(
    log: EventLog,
    principal: Principal,
    *,
    ids: Collection[Ref] = (),
    sources: Sequence[UserSource] = (),
    after: str | None = None,
) -> AsyncIterator[Subscription]:
    """As `EventLog.subscribe`, for a caller; it ends with Unauthenticated when the caller's word is no longer good.

    Raises:
        Forbidden: something that is named may not be watched, or there is nothing that may.
    """
    named = _watchable(principal, ids, sources)
    async with log.subscribe(ids=ids, sources=named, after=after) as subscription:
        ending = _ends_with(principal, subscription)
        try:
            yield subscription
        finally:
            if ending is not None:
                ending.cancel()


def _watchable(principal: Principal, ids: Iterable[Ref], sources: Sequence[UserSource]) -> Sequence[UserSource]:
    """The systems that are watched: those that are named, else all that the caller may read.

    Not those that are called with their callers' own credentials: who else may see a changed user is unknown here.
    """
    for source in (*sources, *(ref.source for ref in ids)):
        principal.require(Action.READ, source)
        if source in principal.forwarded:
            raise Forbidden(f"The {source} system shows users to each caller by their own credential: nobody watches.")
    found = sources or [source for source in principal.readable(UserSource) if source not in principal.forwarded]
    if not found:
        raise Forbidden("Every system shows users to each caller by their own credential: nobody watches.")
    return found


def _ends_with(principal: Principal, subscription: Subscription) -> asyncio.TimerHandle | None:
    if principal.expires is None:
        return None
    over = Unauthenticated("What you came with has expired. Resume with a fresh one.")
    return asyncio.get_running_loop().call_later(principal.expires - time.time(), subscription.end, over)
