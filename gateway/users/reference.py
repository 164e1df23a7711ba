"""Reference data, such as roles, departments and organizations, looked up in batches and kept for some seconds.

No source filters by a list of ids, and the account API allows 20 calls in a second. So the lookup of one id is one GET,
and that of several ids is a call for a page, and for the next pages as long as ids are missing. Lookups that arrive
while a batch with the same key is under way wait in a queue and are the next batch, whichever operation they belong to:
under load many operations share few calls. Principals for whom a source is called with the configured credential share
records and calls. Principals with forwarded credentials share nothing (`Principal.credential`).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from gateway.calls import current_calls
from gateway.errors import Origin, SourceTimeout
from gateway.freshness import Forward, StaleReason, current_freshness
from gateway.kit.source_titles import titled
from gateway.kit.tasks import gather
from gateway.operation import acting_as, background_context, current_trace, seconds_left
from gateway.principal import ANYONE, Principal
from gateway.users.batch_calls import BatchCalls
from gateway.users.identity import check_record
from gateway.users.ids import UNLISTED_KINDS, Kind, Ref
from gateway.users.kept.fresh_records import FreshRecords
from gateway.users.kept.hits import Hits
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.record_keys import RecordKey
from gateway.users.kept.records import Kept, KeptRecords, KeptResult
from gateway.users.kept.staleness import (
    BackgroundReads,
    FailureOfSource,
    StaleRecords,
    reason_of,
    shortly_before_deadline,
)
from gateway.users.model import UserSource
from gateway.users.permitted_calls import NotKept
from gateway.users.source import Directory, Sources

__all__ = ["ReferenceData"]

BatchObserver = Callable[[UserSource, Kind, int], None]
"""Receives each batch of lookups: their source, their kind and their number."""


class _BatchKey(msgspec.Struct, frozen=True, gc=False):
    """What lookups must have in common to be one batch.

    `source_id` is empty, except for a record that cannot be fetched with others. A batch of those would only let the
    operations wait for each other, and count their calls in `extensions.calls`.
    """

    credential: str
    source: UserSource
    tenant: str
    kind: Kind
    source_id: str
    needs: frozenset[str]

    def record_key(self, ref: Ref) -> RecordKey:
        """Return the key under which a record of this batch is kept."""
        return RecordKey(self.credential, ref)


@dataclass(slots=True)
class _Queue:
    """The lookups of one batch key: those waiting, those under way, and the number of callers that wait for either.

    `waiting_calls` and `calls` record the calls for them.
    The calls are made with the `principal` that came first: the results are the same for all principals of the key.
    """

    principal: Principal
    waiting: dict[Ref, "asyncio.Future[Any]"] = field(default_factory=dict)
    under_way: dict[Ref, "asyncio.Future[Any]"] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None
    callers: int = 0
    waiting_calls: BatchCalls = field(default_factory=BatchCalls)
    calls: BatchCalls = field(default_factory=BatchCalls)


class ReferenceData:
    """Looks up records and keeps them in `records`; with a lifetime of 0, none: each operation calls alone."""

    def __init__(
        self,
        sources: Sources,
        records: KeptRecords | None = None,
        lifetimes: Lifetimes | None = None,
        *,
        observe: BatchObserver = lambda *_: None,
        background: BackgroundReads | None = None,
    ) -> None:
        self._sources = sources
        self._records = KeptRecords() if records is None else records
        self._lifetimes = lifetimes or Lifetimes()
        self.keeps = self._lifetimes.reference > 0
        self._observe = observe
        self._hits = Hits(self._records)
        self._stale = StaleRecords(self._records, self._lifetimes)
        self._background = background or BackgroundReads()
        self._to_renew: dict[_BatchKey, list[Ref]] = {}  # until the read in the background begins
        self._queues: dict[_BatchKey, _Queue] = {}

    def fresh(self, kind: Kind, needs: frozenset[str], principal: Principal) -> FreshRecords | None:
        """Return the records of a kind that one operation may be given within their lifetime; None: none are kept.

        The caller checks the scope, here and in `stale`.
        """
        if not self.keeps:
            return None
        lifetime = self._lifetimes.reference
        return FreshRecords(
            self._records, self._hits, self._sources, kind=kind, needs=needs, principal=principal, lifetime=lifetime
        )

    def stale(self, ref: Ref, needs: frozenset[str], principal: Principal) -> tuple[Any] | None:
        """Return a record past its lifetime, in a tuple, if the caller accepts it; it is then read again meanwhile."""
        key = RecordKey(principal.credential(ref.source), ref)
        kept = self._records.find(key)
        if kept is None or not needs <= kept.needs:
            return None
        if not self._stale.accepts(ref.kind, key.credential, kept, self._lifetimes.reference):
            return None
        report, reason = current_freshness.get(), StaleReason.REVALIDATING
        if report is not None and report.wanted.only_if_cached:
            reason = StaleReason.ONLY_IF_CACHED
        else:
            self._renew(_batch_key(ref, kept.needs, principal), ref, principal)
        self._report_stale(ref, kept, reason)
        return (kept.value,)

    async def look_up(
        self, refs: Sequence[Ref], needs: frozenset[str], principal: Principal = ANYONE
    ) -> dict[Ref, Any]:
        """Return for each reference its record, None if there is none, or an exception. The caller checks the scope."""
        groups: dict[tuple[Kind, UserSource, str, str], list[Ref]] = {}
        for ref in refs:
            groups.setdefault((ref.kind, ref.source, ref.tenant, _single(ref)), []).append(ref)
        found: dict[Ref, Any] = {}
        batches = [(_batch_key(group[0], needs, principal), group) for group in groups.values()]
        for records in await gather(self._look_up_batch(key, group, principal) for key, group in batches):
            found |= records
        return found

    def drop(self, source: UserSource | None, kind: Kind | None = None) -> None:
        """Drop what a change may have altered, None for all; no lookup under way is kept or shared."""
        self._records.drop(source, kind)
        for key in list(self._queues):
            if source in {None, key.source} and kind in {None, key.kind}:
                del self._queues[key]

    def separate(self, credential: str) -> None:
        """Let later lookups with a credential share none that is under way."""
        for key in [key for key in self._queues if key.credential == credential]:
            del self._queues[key]

    async def _look_up_batch(self, key: _BatchKey, refs: list[Ref], principal: Principal) -> dict[Ref, Any]:
        report = current_freshness.get()
        only_kept = report is not None and report.wanted.only_if_cached
        fresh = self.fresh(key.kind, key.needs, principal)
        if fresh is None:
            if only_kept:
                return dict.fromkeys(refs, NotKept(key.source))
            if report is not None:
                report.unkept = True
            return await self._fetch_alone(key, refs, principal)
        found = {ref: kept[0] for ref in refs if (kept := fresh.find(ref) or self.stale(ref, key.needs, principal))}
        missing = [ref for ref in refs if ref not in found]
        if missing and only_kept:
            return found | dict.fromkeys(missing, NotKept(key.source))
        if missing:
            reasons = {ref: self._reason(key, ref) for ref in missing}
            read, stale = await self._fetch_or_find(key, missing, principal)
            for ref, (result, forward) in reasons.items():
                if ref not in stale:
                    self._records.results[key.source, result] += 1
                    if report is not None:
                        report.miss(forward)
                        report.stored += not isinstance(read[ref], Exception)
            found |= read
        return found

    async def _fetch_or_find(
        self, key: _BatchKey, refs: list[Ref], principal: Principal
    ) -> tuple[dict[Ref, Any], set[Ref]]:
        """Return the records in the next batch, or what is kept of them if the source fails; and which these are."""
        stale: set[Ref] = set()
        if not any(self._find_if_error(key, ref) for ref in refs):
            return dict(zip(refs, await self._enqueue(key, refs, principal), strict=True)), stale
        with shortly_before_deadline():
            found = dict(zip(refs, await self._enqueue(key, refs, principal), strict=True))
        for ref, error in found.items():
            if isinstance(error, FailureOfSource) and (kept := self._find_if_error(key, ref)):
                self._report_stale(ref, kept, reason_of(error))
                found[ref] = kept.value
                stale.add(ref)
        return found, stale

    async def _fetch_alone(self, key: _BatchKey, refs: list[Ref], principal: Principal) -> dict[Ref, Any]:
        """Fetch the records for one operation."""
        recorder = current_calls.get()
        if recorder is None:
            return await self._fetch(key, refs, principal)
        calls = BatchCalls(len(refs))
        calls.join(recorder)
        before = current_calls.set(calls)
        try:
            return await self._fetch(key, refs, principal)
        finally:
            current_calls.reset(before)

    def _reason(self, key: _BatchKey, ref: Ref) -> tuple[KeptResult, Forward]:
        """Return why a call is made for a record: in the counts of reads, and for the caller."""
        report, kept = current_freshness.get(), self._records.find(key.record_key(ref))
        if report is not None and report.wanted.no_cache:
            return KeptResult.BYPASS, Forward.REQUEST
        if kept is None:
            return KeptResult.MISS, Forward.URI_MISS
        if not key.needs <= kept.needs:
            return KeptResult.PARTIAL, Forward.PARTIAL
        is_stale = self._records.clock() - kept.read_at >= self._lifetimes.reference
        return KeptResult.MISS, Forward.STALE if is_stale else Forward.REQUEST

    def _find_if_error(self, key: _BatchKey, ref: Ref) -> Kept | None:
        """Return what may be given if the source fails; None if there is nothing."""
        kept = self._records.find(key.record_key(ref))
        if kept is None or not key.needs <= kept.needs:
            return None
        lifetime = self._lifetimes.reference
        accepted = self._stale.accepts_if_error(key.source, key.kind, key.credential, kept, lifetime)
        return kept if accepted else None

    def _report_stale(self, ref: Ref, kept: Kept, reason: StaleReason) -> None:
        self._hits.stale(ref.source, self._template(ref), ref, kept, self._lifetimes.reference, reason=reason)

    def _template(self, ref: Ref) -> str:
        return self._sources.named(ref.source).directories[ref.kind].template

    def _renew(self, key: _BatchKey, ref: Ref, principal: Principal) -> None:
        """Read a record again in the background, in one batch with the others that are given at the same time."""
        if (refs := self._to_renew.get(key)) is not None:
            refs.append(ref)
        elif self._background.start(key, key.source, partial(self._read_again, key, principal)):
            self._to_renew[key] = [ref]

    async def _read_again(self, key: _BatchKey, principal: Principal) -> None:
        await self._fetch_and_store(key, list(dict.fromkeys(self._to_renew.pop(key))), principal)

    async def _enqueue(self, key: _BatchKey, refs: Iterable[Ref], principal: Principal) -> list[Any]:
        """Queue lookups and return their results, or the operation's timeout."""
        queue = self._queues.setdefault(key, _Queue(principal))
        loop = asyncio.get_running_loop()
        recorder, trace = current_calls.get(), current_trace.get()
        if any(ref in queue.under_way for ref in refs):
            queue.calls.join(recorder, trace)
        if any(ref not in queue.under_way for ref in refs):
            queue.waiting_calls.join(recorder, trace)
        futures = [queue.under_way.get(ref) or queue.waiting.setdefault(ref, loop.create_future()) for ref in refs]
        if queue.task is None:
            # In an empty context: the deadline of the operation that came first does not apply to the others.
            queue.task = loop.create_task(self._run(key, queue), context=background_context())
        queue.callers += 1
        try:
            async with asyncio.timeout(seconds_left()):
                return await asyncio.gather(*(asyncio.shield(future) for future in futures))
        except TimeoutError:
            timeout = SourceTimeout(
                f"The {titled(key.source)} source did not respond in time.", origin=Origin(source=key.source)
            )
            return [timeout] * len(futures)
        finally:
            queue.callers -= 1
            if recorder is not None and (queue.calls.is_first(recorder) or queue.waiting_calls.is_first(recorder)):
                for future in futures:
                    if not future.done():
                        recorder.leave(future)
            if not queue.callers and queue.task is not None:  # nobody waits any more
                self._remove(key, queue)
                queue.task.cancel()

    async def _run(self, key: _BatchKey, queue: _Queue) -> None:
        """Fetch batch after batch until no lookup is waiting."""
        try:
            while queue.waiting:
                queue.under_way, queue.waiting = queue.waiting, {}
                queue.calls, queue.waiting_calls = queue.waiting_calls, BatchCalls()
                queue.calls.lookups = len(queue.under_way)
                current_calls.set(queue.calls)
                current_trace.set(queue.calls.trace)
                found = await self._fetch_and_store(key, list(queue.under_way), queue.principal)
                for ref, future in queue.under_way.items():
                    future.set_result(found.get(ref))  # an exception too: it concerns this record, not the batch
        finally:
            queue.task = None
            self._remove(key, queue)
            for future in (*queue.under_way.values(), *queue.waiting.values()):
                future.cancel()  # has an effect only if this task was cancelled; a result that was set stays

    async def _fetch_and_store(self, key: _BatchKey, refs: Sequence[Ref], principal: Principal) -> dict[Ref, Any]:
        """Fetch the records of one batch, and keep them if nothing has changed meanwhile."""
        read = self._records.begin(key.source, key.kind)
        try:
            found, requested = await self._fetch(key, refs, principal), frozenset(refs)
            is_read = self._is_read(key)
            for ref in reversed(found):  # the requested ones last, so that they stay longest
                if is_read and not isinstance(found[ref], Exception):
                    beside = ref not in requested
                    self._records.store(key.record_key(ref), read, found[ref], key.needs, beside=beside)
        finally:
            self._records.end(read)
        return found

    def _is_read(self, key: _BatchKey) -> bool:
        """Return whether the source has records of the kind: those that it cannot have are not kept.

        They cost no call, so that a client could fill the memory with ids that it made up.
        """
        return any(source.name == key.source and key.kind in source.directories for source in self._sources)

    def _remove(self, key: _BatchKey, queue: _Queue) -> None:
        if self._queues.get(key) is queue:  # after `drop` there may be a new one
            del self._queues[key]

    async def _fetch(self, key: _BatchKey, refs: Sequence[Ref], principal: Principal) -> dict[Ref, Any]:
        self._observe(key.source, key.kind, len(refs))
        with acting_as(principal):
            return await self._fetch_records(key, refs)

    async def _fetch_records(self, key: _BatchKey, refs: Sequence[Ref]) -> dict[Ref, Any]:
        """Fetch the records with as few calls as possible; an error is the result of each that is still missing.

        If records are cached, the result also contains what else is in the pages: often what the records refer to, such
        as the locations around a location.
        """
        missing = {ref.source_id: ref for ref in refs}
        found: dict[Ref, Any] = dict.fromkeys(refs)
        try:
            directory: Directory[Any] | None = self._sources.named(key.source).directories.get(key.kind)
            if directory is None:  # the source has no records of this kind: the client made up the id
                return found
            position: str | None = None
            pages = 0
            # Of a long list, no more pages than about as many as there are records to find.
            while len(missing) > 1 and pages <= len(missing):
                page = await directory.page(key.tenant, key.needs, position)
                pages += 1
                for record in page.items:
                    ref = missing.pop(record.source_id, None)
                    if ref is None and self.keeps:
                        ref = Ref(key.kind, key.source, record.source_id, key.tenant)
                    if ref is not None:
                        found[ref] = record
                if page.next is None or page.next == position:
                    return found
                position = page.next
        except Exception as error:  # noqa: BLE001 - the loader raises it for each record that is still missing
            return found | dict.fromkeys(missing.values(), error)
        # One, if the list is short: a GET costs no more than a page, and is sure to find it. Several at the same time,
        # each of which fails for itself: they may be those of several operations, some with ids that were made up.
        left = tuple(missing.values())
        if len(left) == 1:  # without another task
            return found | {left[0]: await _fetch_one(directory, left[0], key.needs)}
        fetched = await asyncio.gather(*(_fetch_one(directory, ref, key.needs) for ref in left))
        return found | dict(zip(left, fetched, strict=True))


async def _fetch_one(directory: Directory[Any], ref: Ref, needs: frozenset[str]) -> Any:
    """Return a record, None if the source has none, or the exception of its call."""
    try:
        return check_record(ref, await directory.fetch(ref, needs))
    except Exception as error:  # noqa: BLE001 - the loader raises it for this record
        return error


def _single(ref: Ref) -> str:
    """Return the source id of a record that cannot be fetched with others; it is empty for one that can."""
    return ref.source_id if ref.kind in UNLISTED_KINDS else ""


def _batch_key(ref: Ref, needs: frozenset[str], principal: Principal) -> _BatchKey:
    return _BatchKey(principal.credential(ref.source), ref.source, ref.tenant, ref.kind, _single(ref), needs)
