"""Reads the users that webhooks report: one batch after the other, by one call each where the source allows it.

After a change of many users, the webhooks of all of them arrive at once. With a call for each, the rate limit would
delay them for minutes, and the vendor turns a webhook off whose deliveries fail (docs/upstreams/reseller.md,
"Webhooks").
"""

import asyncio
from collections.abc import Mapping
from itertools import islice

from gateway.errors import BadUserInput, GatewayError, Origin, SourceInvalidResponse, SourceUnavailable
from gateway.operation import shares_no_calls
from gateway.sources.reseller.client import ResellerSource
from gateway.users.ids import Ref, ref_of
from gateway.users.model import User, UserSource

__all__ = ["UserReads"]

_BATCH_SIZE = 50
_SINGLE_READS = 4  # at the same time in a batch


class UserReads:
    """Reads users of the configured reseller. Webhooks that wait for the same user get it from one read."""

    def __init__(self, source: ResellerSource) -> None:
        self._source = source
        self._batch = asyncio.Lock()  # the longer a batch takes, the more users wait for the next one
        self._waiting: dict[Ref, asyncio.Future[User | None]] = {}
        self._list_is_filtered = True

    async def read(self, ref: Ref) -> User | None:
        """Return the user as it is now, None if the reseller has no such user.

        Raises the errors of `gateway.errors`.
        """
        future = self._waiting.get(ref)
        if future is None:
            future = self._waiting[ref] = asyncio.get_running_loop().create_future()
        async with self._batch:
            if ref in self._waiting:  # it is not part of a batch yet
                await self._read_batch(
                    [ref, *islice((other for other in self._waiting if other != ref), _BATCH_SIZE - 1)]
                )
        return await asyncio.shield(future)  # which several webhooks await

    async def _read_batch(self, refs: list[Ref]) -> None:
        futures = {ref: self._waiting.pop(ref) for ref in refs}
        before = shares_no_calls.set(True)  # a call from before a webhook may have a response from before the change
        try:
            found = await self._find(refs) if len(refs) > 1 else {}
            for ref, user in found.items():
                futures[ref].set_result(user)
            others = [ref for ref in refs if ref not in found]
            for start in range(0, len(others), _SINGLE_READS):
                await asyncio.gather(
                    *(self._settle(ref, futures[ref]) for ref in others[start : start + _SINGLE_READS])
                )
        finally:
            shares_no_calls.reset(before)
            for future in futures.values():
                if not future.done():  # the webhook that reads for the others was cancelled, or the list failed
                    _fail(future, SourceUnavailable("The reported user was not read.", retry_after=1.0))

    async def _settle(self, ref: Ref, future: "asyncio.Future[User | None]") -> None:
        try:
            user = await self._source.fetch_user(ref, frozenset())
            if user is not None and _key(ref_of(user)) != _key(ref):
                raise SourceInvalidResponse(
                    "The reseller source returned another user than the one that a webhook reported.",
                    origin=Origin(source=UserSource.RESELLER),
                )
            future.set_result(user)
        except GatewayError as error:
            _fail(future, error)

    async def _find(self, refs: list[Ref]) -> Mapping[Ref, User]:
        """Return the users that the list has; others may exist, since the form of a filter by ids is not documented."""
        if not self._list_is_filtered:
            return {}
        by_key = {_key(ref): ref for ref in refs}
        try:
            users = await self._source.find_users([ref.source_id for ref in refs])
        except (BadUserInput, SourceInvalidResponse):
            self._list_is_filtered = False
            return {}
        self._list_is_filtered = all(_key(ref_of(user)) in by_key for user in users)
        return {by_key[key]: user for user in users if (key := _key(ref_of(user))) in by_key}


def _key(ref: Ref) -> tuple[str, str]:
    """Return the parts of a reference that are compared, without case: GUIDs are written in both cases."""
    return ref.tenant.casefold(), ref.source_id.casefold()


def _fail(future: "asyncio.Future[User | None]", error: GatewayError) -> None:
    future.set_exception(error)
    future.exception()  # nobody may await it any more: asyncio must not log it as never retrieved
