"""The fast path of reading users: those that are kept and within their lifetime, without a coroutine.

What is past its lifetime is given by `UserReader.user`, where a caller accepts it.
"""

from collections.abc import Collection

import msgspec

from gateway.calls import CallRecorder, current_calls
from gateway.freshness import ANY_FRESHNESS, Freshness, FreshnessReport, current_freshness
from gateway.principal import Principal
from gateway.users.ids import Ref
from gateway.users.kept.hits import Hits
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.record_keys import RecordKey
from gateway.users.kept.records import KeptRecords
from gateway.users.model import User, UserSource
from gateway.users.source import Sources

__all__ = ["FreshUser", "FreshUsers"]


class FreshUser(msgspec.Struct, frozen=True, gc=False):
    """A user that is kept, None if there is none, within its lifetime: for so many seconds it may still be given."""

    source: UserSource
    value: User | None
    seconds_left: float


class FreshUsers:
    """Finds users of the sources whose kept users need no wait. `exist`: there are such sources.

    The caller checks the scope.
    """

    def __init__(
        self,
        sources: Sources,
        records: KeptRecords,
        lifetimes: Lifetimes,
        hits: Hits,
        immediate: Collection[UserSource],
    ) -> None:
        self._sources = sources
        self._records = records
        self._lifetimes = lifetimes
        self._hits = hits
        self._immediate = immediate
        self.exist = bool(immediate)

    def give(self, ref: Ref, needs: frozenset[str], principal: Principal) -> tuple[User | None] | None:
        """Return a user in a tuple, which holds None if there is none, to the running operation; or None."""
        if not self.exist:
            return None
        report = current_freshness.get()
        if report is not None and report.reads_users_anew:
            return None
        found = self.find(ref, needs, principal, ANY_FRESHNESS if report is None else report.wanted)
        if found is None:
            return None
        self.count(found, report, current_calls.get())
        return (found.value,)

    def find(self, ref: Ref, needs: frozenset[str], principal: Principal, wanted: Freshness) -> FreshUser | None:
        """Return the user that `give` returns to a query that wants this. Nothing is counted."""
        source = ref.source
        if source not in self._immediate:
            return None
        credential = principal.credential(source)
        kept = self._records.find(RecordKey(credential, ref))
        if kept is None or not needs <= kept.needs:
            return None
        age = self._records.clock() - kept.read_at
        lifetime = self._lifetimes.of_kept_user(source, credential, kept.value)
        return FreshUser(source, kept.value, lifetime - age) if wanted.accepts(age, lifetime) else None

    def count(self, user: FreshUser, report: FreshnessReport | None, calls: CallRecorder | None) -> None:
        """Report that a user was given: `report` and `calls` are of the operation."""
        source = user.source
        self._hits.fresh(source, self._sources.named(source).user_template, user.seconds_left, report, calls)
