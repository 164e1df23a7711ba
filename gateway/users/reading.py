"""Reads users and lists of users: from what is kept where that may be used, otherwise from their source."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, Generic, TypeVar, cast

from gateway.calls import current_calls
from gateway.errors import Forbidden, GatewayError, SourceCredentials, Unauthenticated
from gateway.freshness import ANY_FRESHNESS, Forward, FreshnessReport, StaleReason, current_freshness
from gateway.operation import SharedCalls, current_principal, current_shared_calls
from gateway.principal import Principal
from gateway.users.batches import UserBatches
from gateway.users.identity import check_user
from gateway.users.ids import Kind, Ref
from gateway.users.kept.fresh_users import FreshUsers
from gateway.users.kept.generations import Read
from gateway.users.kept.hits import Hits
from gateway.users.kept.kept_users import KeptUsers
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.record_keys import ListTag, PageKey, RecordKey, RecordTag, Tag
from gateway.users.kept.records import Kept, KeptRecords, KeptResult
from gateway.users.kept.shadow import ShadowResult, compare
from gateway.users.kept.stale_page import StalePage
from gateway.users.kept.staleness import (
    BackgroundReads,
    FailureOfSource,
    StaleRecords,
    reason_of,
    shortly_before_deadline,
)
from gateway.users.model import Timestamp, User, UserSource
from gateway.users.permitted_calls import note_unkept, require_calls
from gateway.users.source import Source, Sources, UserQuery, Window

__all__ = [
    "CatchUp",
    "KeepMode",
    "ShadowObserver",
    "UserReader",
]

T = TypeVar("T")


class KeepMode(StrEnum):
    """Whether users are kept. `SHADOW`: they are, but each read is made all the same, and compared with them."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


CatchUp = Callable[[], Awaitable[bool]]
"""Waits until all changes that other replicas have reported by now are known; returns False if that is impossible."""

ShadowObserver = Callable[[UserSource, ShadowResult, float], None]
"""Receives each result in shadow mode, and for how many seconds what is kept has been out of date."""


@dataclass(frozen=True, slots=True)
class _Lookup(Generic[T]):
    """A read of what may be kept: its key, its tags, the call for it with its path template, and the lifetime."""

    source: UserSource
    key: RecordKey | PageKey
    tags: tuple[Tag, ...]
    template: str
    fetch: Callable[[frozenset[str]], Awaitable[T]]
    lifetime: Callable[[Kept], float]

    @property
    def subject(self) -> Ref | UserSource:
        return self.key.ref if isinstance(self.key, RecordKey) else self.source


class UserReader:
    """Reads users for the loaders and the lists, with as few calls as the mode and the caller's wishes allow.

    A change, and each read that belongs to it, calls its source directly; `kept_users` are to follow it. `fresh_users`
    finds users that need no wait. `catch_up` is None where no other process writes to the event log. `now` is the time
    in seconds since 1970, for times of change. The results are those that the source returns: nobody may alter them.
    """

    def __init__(
        self,
        sources: Sources,
        records: KeptRecords | None = None,
        lifetimes: Lifetimes | None = None,
        *,
        mode: KeepMode = KeepMode.OFF,
        catch_up: CatchUp | None = None,
        now: Callable[[], float] = time.time,
        observe_shadow: ShadowObserver = lambda *_: None,
        background: BackgroundReads | None = None,
    ) -> None:
        self._sources = sources
        self._records = KeptRecords() if records is None else records
        self._lifetimes = lifetimes or Lifetimes()
        self._mode = mode
        self._catch_up = catch_up
        self._now = now
        self._observe_shadow = observe_shadow
        self._hits = Hits(self._records)
        self._stale = StaleRecords(self._records, self._lifetimes)
        self._background = background or BackgroundReads()
        self.kept_sources = frozenset(
            source.name for source in sources if mode is not KeepMode.OFF and self._lifetimes.keeps_users(source.name)
        )
        self.kept_users = KeptUsers(sources, self._records, self.kept_sources)
        self._batches = UserBatches(sources, self._records, self.kept_users.credential_refused)
        is_immediate = mode is KeepMode.ON and catch_up is None
        immediate = self.kept_sources if is_immediate else frozenset()  # what is kept of them needs no wait
        self.fresh_users = FreshUsers(sources, self._records, self._lifetimes, self._hits, immediate)

    async def user(self, ref: Ref, needs: frozenset[str], principal: Principal | None = None) -> User | None:
        """Return one user with these needs, or None if there is none. The caller checks the scope.

        `principal`: on whose behalf it is read; None: that of the running operation.
        """
        source = self._sources.named(ref.source)
        before = None
        if principal is not None and principal is not current_principal.get():
            before = current_principal.set(principal)
        try:
            if ref.source in self.kept_sources:
                return (await self._read(self._user_lookup(source, ref), needs))[0]
            note_unkept(ref.source)
            return check_user(ref, await source.fetch_user(ref, needs))
        finally:
            if before is not None:
                current_principal.reset(before)

    async def page(
        self,
        source: Source,
        query: UserQuery,
        position: str | None,
        limit: int,
        needs: frozenset[str],
        *,
        anew: bool = False,
    ) -> tuple[Window, float, StalePage | None]:
        """Return a page of the users of a source, its age in seconds, and how stale it is if its lifetime has ended.

        `Source.page_users` has the parameters and the errors. `anew`: no page is returned that was read earlier.
        """
        if source.name not in self.kept_sources:
            note_unkept(source.name)
            return await source.page_users(query, position, limit, needs), 0.0, None

        async def fetch(all_needs: frozenset[str]) -> Window:
            return await source.page_users(query, position, limit, all_needs)

        credential = current_principal.get().credential(source.name)
        lookup = _Lookup(
            source.name,
            PageKey(credential, source.name, query, position, limit),
            (ListTag.of(source.name, query.tenant or source.tenant),),
            source.list_template,
            fetch,
            lambda kept: self._page_lifetime(source.name, kept.value),
        )
        return await self._read(lookup, needs, anew=anew)

    def _user_lookup(self, source: Source, ref: Ref) -> _Lookup[User | None]:
        async def fetch(needs: frozenset[str]) -> User | None:
            return check_user(ref, await source.fetch_user(ref, needs))

        credential = current_principal.get().credential(ref.source)
        return _Lookup(
            ref.source,
            RecordKey(credential, ref),
            (RecordTag.of(ref), ListTag.of(ref.source, ref.tenant)),
            source.user_template,
            fetch,
            lambda kept: self._lifetimes.of_kept_user(ref.source, credential, kept.value),
        )

    async def may_use_prefetched(self) -> bool:
        """Return whether the running operation may use what was read for an earlier page.

        It waits until what other replicas have changed is known.
        """
        report = current_freshness.get()
        if report is not None and (report.wanted.no_cache or report.reads_users_anew):
            return False
        return self._mode is not KeepMode.ON or self._catch_up is None or await self._catch_up()

    def accepts_prefetched(self, source: Source, age: float, lifetime: float) -> bool:
        """Return whether users of that age in seconds may be given that were read for an earlier page; then report it.

        `lifetime` is for how long they may where lists are not kept.
        """
        if self._mode is KeepMode.ON and source.name in self.kept_sources:
            lifetime = self._lifetimes.of_list(source.name)
        report = current_freshness.get()
        if not (ANY_FRESHNESS if report is None else report.wanted).accepts(age, lifetime):
            return False
        self._hits.fresh(source.name, source.list_template, lifetime - age, report, current_calls.get())
        return True

    async def aclose(self) -> None:
        """Cancel the reads in the background, drop everything, and keep nothing any more."""
        await self._background.aclose()
        await self._batches.aclose()
        self._records.close()

    def _page_lifetime(self, source: UserSource, window: Window) -> float:
        # An empty one may state that there is no such user.
        return self._lifetimes.of_list(source) if window.items else self._lifetimes.of_absence(source)

    async def _read(
        self, lookup: _Lookup[T], needs: frozenset[str], *, anew: bool = False
    ) -> tuple[T, float, StalePage | None]:
        """Return the result, how many seconds ago it was read, and how stale it is if its lifetime has ended."""
        report = current_freshness.get()
        wanted = ANY_FRESHNESS if report is None else report.wanted
        accepts_kept = not (anew or wanted.no_cache or (report is not None and report.reads_users_anew))
        # What other replicas have changed until now must be known before anything that is kept can be given, and before
        # a call can be shared that is under way.
        may_use = (self._catch_up is None or await self._catch_up()) and accepts_kept
        kept = self._records.find(lookup.key) if may_use else None
        lifetime = 0.0 if kept is None else lookup.lifetime(kept)
        shadowed: Kept | None = None
        result = KeptResult.MISS if may_use else KeptResult.BYPASS
        forward = Forward.REQUEST if wanted.no_cache else Forward.URI_MISS if may_use else Forward.BYPASS
        if kept is not None:
            age = self._records.clock() - kept.read_at
            forward = Forward.STALE if age >= lifetime else Forward.REQUEST
            if not needs <= kept.needs:
                result, forward = KeptResult.PARTIAL, Forward.PARTIAL
            elif self._mode is KeepMode.SHADOW:
                if wanted.accepts(age, lifetime):
                    shadowed, result, forward = kept, KeptResult.BYPASS, Forward.BYPASS
            elif wanted.accepts(age, lifetime):
                self._hits.fresh(lookup.source, lookup.template, lifetime - age, report, current_calls.get())
                return kept.value, age, None
            elif self._stale.accepts(Kind.USER, lookup.key.credential, kept, lifetime):
                return kept.value, age, self._give_stale(lookup, kept, lifetime, self._renew(lookup, kept))
            needs |= kept.needs  # whoever needs less does not alternate with whoever needs more
        require_calls(lookup.source)
        stale: StalePage | None = None
        if may_use and self._find_if_error(lookup, needs) is not None:
            value, stale = await self._fetch_or_find(lookup, needs, result, report)
        else:
            self._records.results[lookup.source, result] += 1
            if accepts_kept and self._mode is KeepMode.ON and isinstance(lookup.key, RecordKey):
                value = await self._fetch_user(lookup, lookup.key, needs, may_use=may_use)
            else:
                value = await self._fetch(lookup, needs, report, shadowed)
        if report is not None and stale is None:
            report.miss(forward)
        return value, 0.0 if stale is None else stale.age, stale

    async def _fetch_or_find(
        self, lookup: _Lookup[T], needs: frozenset[str], result: KeptResult, report: FreshnessReport | None
    ) -> tuple[T, StalePage | None]:
        """Read from the source, or return what is kept if the source fails: only then it does not count as `result`."""
        is_given = False
        try:
            with shortly_before_deadline():
                if isinstance(lookup.key, RecordKey):
                    return await self._fetch_user(lookup, lookup.key, needs, may_use=True), None
                return await self._fetch(lookup, needs, report), None
        except FailureOfSource as error:
            kept = self._find_if_error(lookup, needs)  # again: it may have changed meanwhile
            if kept is None:
                raise
            is_given = True
            return kept.value, self._give_stale(lookup, kept, lookup.lifetime(kept), reason_of(error), error)
        finally:
            if not is_given:
                self._records.results[lookup.source, result] += 1

    def _renew(self, lookup: _Lookup[Any], kept: Kept) -> StaleReason:
        """Read again what the caller accepts past its lifetime, unless it forbids calls; return why it is given."""
        report = current_freshness.get()
        if report is not None and report.wanted.only_if_cached:
            return StaleReason.ONLY_IF_CACHED
        self._background.start(lookup.key, lookup.source, partial(self._read_again, lookup, kept.needs))
        return StaleReason.REVALIDATING

    def _give_stale(
        self, lookup: _Lookup[Any], kept: Kept, lifetime: float, reason: StaleReason, error: GatewayError | None = None
    ) -> StalePage:
        """Report what is given past its lifetime, and return how stale it is."""
        read = self._hits.stale(lookup.source, lookup.template, lookup.subject, kept, lifetime, reason=reason)
        as_of = datetime.fromtimestamp(self._now() - read.age, UTC)
        return StalePage(read, Timestamp(f"{as_of:%Y-%m-%dT%H:%M:%S}.{as_of.microsecond // 1000:03}Z"), error)

    async def _fetch_user(self, lookup: _Lookup[T], key: RecordKey, needs: frozenset[str], *, may_use: bool) -> T:
        """Read a user by a page if many are waited for, else by a call. `may_use`: what is kept may be given."""
        report = current_freshness.get()
        if self._batches.is_crowded(key, needs):
            found: Any = await self._batches.look_up(key, needs, anew=not may_use)
            if found is not None:
                if report is not None and self._records.find(key) is not None:
                    report.stored += 1
                return cast(T, found[0])
            kept = self._records.find(key) if may_use else None  # since the reader began to wait
            if kept is not None and needs <= kept.needs:
                wanted = ANY_FRESHNESS if report is None else report.wanted
                if wanted.accepts(self._records.clock() - kept.read_at, lookup.lifetime(kept)):
                    return cast(T, kept.value)
        with self._batches.reading_alone(key):
            return await self._fetch(lookup, needs, report)

    async def _fetch(
        self,
        lookup: _Lookup[T],
        needs: frozenset[str],
        report: FreshnessReport | None,
        shadowed: Kept | None = None,
    ) -> T:
        """Read from the source, and keep the result if nothing has changed meanwhile."""
        read = self._records.begin(lookup.source, Kind.USER, *lookup.tags)
        shared = SharedCalls()
        before = current_shared_calls.set(shared)
        try:
            value = await lookup.fetch(needs)
            read.began_at -= shared.age
            needs |= self._sources.named(lookup.source).constant_needs
            if shadowed is not None:
                # It stays as it is: its age is to be what it would be without this read.
                self._compare(read, shadowed, value)
            elif self._records.store(lookup.key, read, value, needs):
                self._keep_beside(lookup, read, value, needs)
                if report is not None:
                    report.stored += 1
            else:
                self._records.results[lookup.source, KeptResult.REFUSED_WRITE] += 1
        except (Unauthenticated, Forbidden, SourceCredentials):
            self.kept_users.credential_refused(current_principal.get(), lookup.source)
            raise
        finally:
            current_shared_calls.reset(before)
            self._records.end(read)
        return value

    def _keep_beside(self, lookup: _Lookup[Any], read: Read, value: Any, needs: frozenset[str]) -> None:
        """Keep the users of a page, as far as the rows are complete, and a user under the id that its source uses."""
        credential = lookup.key.credential
        if isinstance(value, Window):
            source = self._sources.named(lookup.source)
            self._records.store_rows(read, credential, value, lambda user: source.row_needs(user, needs))
        elif isinstance(value, User) and value.ref != lookup.subject:
            self._records.store(RecordKey(credential, value.ref), read, value, needs, beside=True)

    def _find_if_error(self, lookup: _Lookup[T], needs: frozenset[str]) -> Kept | None:
        """Return what may be given if the source fails; None if there is nothing."""
        kept = self._records.find(lookup.key)
        if self._mode is not KeepMode.ON or kept is None or not needs <= kept.needs:
            return None
        credential, lifetime = lookup.key.credential, lookup.lifetime(kept)
        if isinstance(lookup.key, RecordKey):
            lifetime = self._lifetimes.if_source_fails(lookup.source, credential, kept.read_at)
        accepted = self._stale.accepts_if_error(lookup.source, Kind.USER, credential, kept, lifetime)
        return kept if accepted else None

    async def _read_again(self, lookup: _Lookup[Any], needs: frozenset[str]) -> None:
        self._records.results[lookup.source, KeptResult.MISS] += 1
        await self._fetch(lookup, needs, None)

    def _compare(self, read: Read, kept: Kept, value: Any) -> None:
        """Report how what is kept differs from what was read with as many needs.

        It would have been given when the read began, also if it was dropped since then.
        """
        began = self._now() - (self._records.clock() - read.began_at)
        self._observe_shadow(read.source, *compare(kept.value, value, age=read.began_at - kept.read_at, now=began))
