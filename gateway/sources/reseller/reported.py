"""Decides whether a user that a webhook reports belongs to the configured reseller, and reads what is left out.

Webhooks are objects of the vendor's account, and their bodies name no reseller, so that users of other resellers are
reported too (docs/upstreams/reseller.md, "Webhooks").
"""

import asyncio
from dataclasses import replace as replace_fields

from msgspec.structs import replace

from gateway.errors import Origin, SourceInvalidResponse, SourceUnavailable
from gateway.sources.reseller.client import ResellerSource
from gateway.sources.reseller.user_reads import UserReads
from gateway.users.ids import Kind, ref_of
from gateway.users.model import Organization, User, UserChange
from gateway.users.source_changes import ReportedChange

__all__ = ["ReportedUsers"]

_TIMEOUT = 10.0  # seconds for a webhook, after which its sender repeats it


class ReportedUsers:
    """The users of the configured reseller, as far as webhooks are concerned.

    A user takes one read, unless it is known already; a known one is read for fields that a webhook leaves out.
    """

    def __init__(self, source: ResellerSource) -> None:
        self._source = source
        self._known = source.known
        self._reads = UserReads(source)

    async def complete(self, reported: ReportedChange) -> ReportedChange | None:
        """Return the change with all fields of its user, None if the user belongs to another reseller.

        Raises:
            GatewayError: that cannot be decided now, because the source cannot be read.
        """
        if reported.user.tenant.casefold() != self._source.tenant.casefold():
            return None
        try:
            async with asyncio.timeout(_TIMEOUT):
                if reported.change is UserChange.DELETED:
                    return await self._complete_deletion(reported)
                return await self._complete_change(reported)
        except TimeoutError:
            message = "The reported user could not be read in time."
            raise SourceUnavailable(message, origin=Origin(source=self._source.name), retry_after=1.0) from None

    async def _complete_change(self, reported: ReportedChange) -> ReportedChange | None:
        user = reported.user
        if not reported.absent and ref_of(user) in self._known:
            return reported
        found = await self._reads.read(ref_of(user))
        if found is None:
            return None
        read = {name: getattr(found, name) for name in reported.absent}
        return replace_fields(reported, user=replace(user, **read), absent=frozenset())

    async def _complete_deletion(self, reported: ReportedChange) -> ReportedChange | None:
        """Decide by what is left of a deleted user: its id, if it was known, or its organization.

        Where neither decides, the event has only the id: nothing is disclosed of a user of another reseller, and no
        deletion is lost.
        """
        user = reported.user
        if ref_of(user) in self._known:
            self._known.discard(ref_of(user))
            return reported
        if user.organization is not None:
            try:
                return reported if await self._has(user.organization) else None
            except SourceInvalidResponse:  # the read of one organization is not documented
                pass
        if await self._reads.read(ref_of(user)) is not None:
            return reported
        return replace_fields(reported, user=User(user.source, user.source_id, user.tenant))

    async def _has(self, organization: Organization) -> bool:
        directory = self._source.directories[Kind.ORGANIZATION]
        return await directory.fetch(ref_of(organization), frozenset()) is not None
