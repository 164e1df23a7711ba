"""Users that many wait for at the same time, who are read by pages of a list and not by one call each.

While few users are read at the same time, each is one call: nothing is faster. A gateway that has just started gets
hundreds of reads of different users per second, and a source may permit 20 calls in a second: there, a page of a
thousand users costs as much as one user.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.calls import CallRecorder, current_calls
from gateway.errors import Forbidden, Origin, SourceCredentials, SourceTimeout, Unauthenticated
from gateway.kit.source_titles import titled
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import (
    SharedCalls,
    background_context,
    current_principal,
    current_shared_calls,
    current_trace,
    seconds_left,
)
from gateway.principal import Principal
from gateway.trace_context import TraceContext
from gateway.users.batch_calls import BatchCalls
from gateway.users.ids import Kind, Ref
from gateway.users.kept.generations import Read
from gateway.users.kept.record_keys import ListTag, RecordKey
from gateway.users.kept.records import KeptRecords
from gateway.users.kept.staleness import FailureOfSource
from gateway.users.model import User, UserSource
from gateway.users.source import Sources, UserQuery, Window

__all__ = ["UserBatches"]

_LOG = logging.getLogger("gateway.users")

_FEW = 10  # users at the same time: half of the calls that the account API permits in a second, to leave some for pages
_LIMIT = 1000  # users a page, the most that a source returns; each reduces it to its maximum
_MAX_LOSS = 10  # pages in excess of the users found in them, before pages count as useless
_PAUSE = 10.0  # seconds without pages after that
_MAX_BATCHES = 100  # before those that have nothing to do are looked for

OnRefused = Callable[[Principal, UserSource], None]
"""Receives the principal whose credential a source has refused."""


class _BatchKey(NamedTuple):
    """What users must have in common to be in one list."""

    credential: str
    source: UserSource
    tenant: str

    @classmethod
    def of(cls, key: RecordKey) -> "_BatchKey":
        return cls(key.credential, key.ref.source, key.ref.tenant)


@dataclass(slots=True, eq=False)
class _Lookup:
    """A reader that waits for a page with its user; the future's result is None if it must look for it again.

    `is_early`: it waited before the call for the last page began.
    """

    needs: frozenset[str]
    recorder: CallRecorder | None
    trace: TraceContext | None
    found: "asyncio.Future[tuple[User] | None]"
    is_early: bool = False
    anew: bool = False

    def end(self, found: tuple[User] | None) -> None:
        if not self.found.done():
            self.found.set_result(found)

    def fail(self, error: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(error)


@dataclass(slots=True, eq=False)
class _Batch:
    """The users of one key that are read at the same time: by a call each, and those who wait for a page.

    `loss` is by how many the last pages exceed the users found in them, and `lost` the same for the list that is being
    read. `calls` and `page_ended` are of the page under way.
    """

    alone: Counter[Ref] = field(default_factory=Counter)
    waiting: dict[Ref, list[_Lookup]] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None
    loss: int = 0
    lost: int = 0
    paused_until: float = 0.0
    calls: BatchCalls = field(default_factory=BatchCalls)
    page_ended: "asyncio.Future[None] | None" = None

    @property
    def is_idle(self) -> bool:
        return not self.alone and not self.waiting and self.task is None

    def lookups(self) -> list[_Lookup]:
        return [lookup for lookups in self.waiting.values() for lookup in lookups]

    def early(self) -> list[_Lookup]:
        return [lookup for lookup in self.lookups() if lookup.is_early]

    def take(self, taken: Iterable[_Lookup]) -> list[_Lookup]:
        """Remove those of the lookups that still wait, and return them."""
        wanted = set(taken)
        found: list[_Lookup] = []
        for ref, lookups in list(self.waiting.items()):
            found += [lookup for lookup in lookups if lookup in wanted]
            left = [lookup for lookup in lookups if lookup not in wanted]
            if left:
                self.waiting[ref] = left
            else:
                del self.waiting[ref]
        return found

    def release(self, lookups: Iterable[_Lookup]) -> None:
        """Let those of the lookups that still wait look for their users by calls."""
        for lookup in self.take(lookups):
            lookup.end(None)


class UserBatches:
    """Reads users by the page where many are waited for, and keeps all users of these pages in `records`.

    A reader gets a user of a page whose call began after the reader did: otherwise it could get a state from before a
    change that it knows of. A reader that came later gets what is kept of the page, as if it came now.

    While fewer users than `few` are read at the same time, each is one call.
    """

    def __init__(self, sources: Sources, records: KeptRecords, on_refused: OnRefused, *, few: int = _FEW) -> None:
        self._sources = sources
        self._records = records
        self._on_refused = on_refused
        self._few = few
        self._batches: dict[_BatchKey, _Batch] = {}
        self._unmet: dict[UserSource, set[frozenset[str]]] = {}  # needs that no row of a source meets

    def is_crowded(self, key: RecordKey, needs: frozenset[str]) -> bool:
        """Return whether a user is to be read with others, because many are read at present."""
        batch, ref = self._batches.get(_BatchKey.of(key)), key.ref
        if batch is None or ref in batch.alone:  # else it shares the call
            return False
        if ref not in batch.waiting and len(batch.alone) + len(batch.waiting) < self._few:
            return False
        if "@" in ref.source_id or batch.paused_until > self._records.clock():  # no list has an address as an id
            return False
        return not self._is_unmet(ref.source, needs)

    @contextmanager
    def reading_alone(self, key: RecordKey) -> Iterator[None]:
        """Count a user as one who is read by a call, while the block runs."""
        batch = self._batch(_BatchKey.of(key))
        batch.alone[key.ref] += 1
        try:
            yield
        finally:
            batch.alone[key.ref] -= 1
            if not batch.alone[key.ref]:
                del batch.alone[key.ref]
            self._tidy(_BatchKey.of(key), batch)

    async def look_up(self, key: RecordKey, needs: frozenset[str], *, anew: bool = False) -> tuple[User] | None:
        """Wait for a page with a user, and return the user in a tuple.

        None: it was in none, or only in one that began too early, or was changed meanwhile. What is kept, or else a
        call, has the user. `anew`: nothing that is kept may be given.

        Raises:
            GatewayError: that of the page, or the timeout of the operation.
        """
        batch_key, ref = _BatchKey.of(key), key.ref
        batch, loop = self._batch(batch_key), asyncio.get_running_loop()
        lookup = _Lookup(needs, current_calls.get(), current_trace.get(), loop.create_future(), anew=anew)
        batch.waiting.setdefault(ref, []).append(lookup)
        if batch.task is None:
            # The deadline of the operation that came first does not apply to the others.
            context = background_context()
            context.run(current_principal.set, current_principal.get())
            batch.task = loop.create_task(self._run(batch_key, batch), context=context)
        try:
            async with asyncio.timeout(seconds_left()):
                return await lookup.found
        except TimeoutError:
            message = f"The {titled(ref.source)} source did not respond in time."
            raise SourceTimeout(message, origin=Origin(source=ref.source)) from None
        finally:
            if lookup.found.cancelled():
                batch.take([lookup])
                self._leave(batch, lookup)

    async def aclose(self) -> None:
        """Cancel the pages under way."""
        await cancel_and_wait(*(batch.task for batch in self._batches.values() if batch.task is not None))

    def _is_unmet(self, source: UserSource, needs: frozenset[str]) -> bool:
        return any(unmet <= needs for unmet in self._unmet.get(source, ()))

    def _batch(self, key: _BatchKey) -> _Batch:
        batch = self._batches.get(key)
        if batch is None:
            if len(self._batches) > _MAX_BATCHES:  # those that pages are paused for
                for other, each in list(self._batches.items()):
                    self._tidy(other, each)
            batch = self._batches[key] = _Batch()
        return batch

    def _tidy(self, key: _BatchKey, batch: _Batch) -> None:
        if batch.is_idle and batch.paused_until <= self._records.clock() and self._batches.get(key) is batch:
            del self._batches[key]

    def _leave(self, batch: _Batch, lookup: _Lookup) -> None:
        """End a wait early: the last one that waits ends the page, too."""
        if not batch.waiting and batch.task is not None:
            batch.task.cancel()
            batch.task = None
        elif batch.page_ended is not None and lookup.recorder is not None and batch.calls.is_first(lookup.recorder):
            lookup.recorder.leave(batch.page_ended)

    async def _run(self, key: _BatchKey, batch: _Batch) -> None:
        try:
            while batch.waiting:
                await self._read_list(key, batch)
        finally:
            if batch.task is asyncio.current_task():  # else nobody waited any more
                batch.task = None
                batch.release(batch.lookups())
            self._tidy(key, batch)

    async def _read_list(self, key: _BatchKey, batch: _Batch) -> None:
        """Read page after page, as long as that takes no more calls than one for each user who is waited for.

        Those who have waited since its beginning, and whose user was not in it, then read alone. Those who came later
        are in the next batch, or read alone if they are few.
        """
        first = batch.lookups()
        position: str | None = None
        batch.lost = 0
        while batch.lost < len(batch.waiting):
            try:
                window, again = await self._read_page(key, batch, position)
            except FailureOfSource as error:
                # A source that fails is not called once more for each of them.
                for lookup in batch.take(batch.early()):
                    lookup.fail(error)
                return
            except Exception as error:  # noqa: BLE001 - the list failed, and not the users
                if isinstance(error, (Unauthenticated, Forbidden, SourceCredentials)):
                    self._on_refused(current_principal.get(), key.source)
                _LOG.debug("a page of %s for users that are waited for failed: %r", key.source, error)
                self._pause(batch)
                return
            if batch.loss > _MAX_LOSS:
                self._pause(batch)
                return
            if again:
                continue
            if window.next is None or window.next == position:
                break
            position = window.next
        batch.release(first)
        if len(batch.waiting) < self._few:
            batch.release(batch.lookups())

    def _pause(self, batch: _Batch) -> None:
        """Let all read alone, for some seconds."""
        batch.release(batch.lookups())
        batch.loss = 0
        batch.paused_until = self._records.clock() + _PAUSE

    async def _read_page(self, key: _BatchKey, batch: _Batch, position: str | None) -> tuple[Window, bool]:
        """Read a page, keep its users, and end the waits for them; return also whether to read it again."""
        source, lookups = self._sources.named(key.source), batch.lookups()
        batch.calls = calls = BatchCalls(len(batch.waiting))
        for recorder, trace in {id(each.recorder): (each.recorder, each.trace) for each in lookups}.values():
            calls.join(recorder, trace)
        current_calls.set(calls)
        current_trace.set(calls.trace)
        batch.page_ended = page_ended = asyncio.get_running_loop().create_future()
        for lookup in lookups:
            lookup.is_early = True
        needs = frozenset[str]().union(*(lookup.needs for lookup in lookups))
        read = self._records.begin(key.source, Kind.USER, ListTag.of(key.source, key.tenant))
        shared = SharedCalls()
        current_shared_calls.set(shared)
        try:
            query = UserQuery(include_removed=True, tenant=key.tenant)
            window = await source.page_users(query, position, _LIMIT, needs)
            read.began_at -= shared.age
            again = self._use(key, batch, read, window, needs | source.constant_needs)
        finally:
            self._records.end(read)
            page_ended.set_result(None)
        return window, again

    def _use(self, key: _BatchKey, batch: _Batch, read: Read, window: Window, needs: frozenset[str]) -> bool:
        source = self._sources.named(key.source)
        rows = {user.ref: (user, source.row_needs(user, needs)) for user in window.items}
        self._records.store_rows(read, key.credential, window, lambda user: rows[user.ref][1])
        if rows:
            self._release_unmet(key, batch, {has for _, has in rows.values() if has is not None})
        before = len(batch.waiting)
        changed: list[Ref] = []  # of whom what is kept now may not be given to those who came later, or nothing is kept
        for ref in [ref for ref in batch.waiting if ref in rows]:
            user, has = rows[ref]
            lookups, later = batch.waiting.pop(ref), list[_Lookup]()
            is_kept = False
            if has is not None:
                # In any case, and after those beside them, which take only the room that is left.
                is_kept = self._records.store(RecordKey(key.credential, ref), read, user, has, beside=True)
            for lookup in lookups:
                if lookup.is_early:
                    lookup.end((user,) if has is not None and lookup.needs <= has else None)
                elif is_kept and not lookup.anew:
                    lookup.end(None)
                else:
                    later.append(lookup)
            if later:
                batch.waiting[ref] = later
                changed.append(ref)
        found = before - len(batch.waiting)
        batch.loss, batch.lost = max(0, batch.loss + 1 - found), max(0, batch.lost + 1 - found)
        if len(changed) > 1:
            return True
        for ref in changed:  # a call for this one is no more than a page
            batch.release(batch.waiting[ref])
        return False

    def _release_unmet(self, key: _BatchKey, batch: _Batch, met: set[frozenset[str]]) -> None:
        """Let those read alone whose needs no row has; later ones with these needs then do not wait for pages."""
        unmet = [each for each in batch.lookups() if each.is_early and not any(each.needs <= has for has in met)]
        for lookup in unmet:
            if not self._is_unmet(key.source, lookup.needs):
                self._unmet.setdefault(key.source, set()).add(lookup.needs)
        batch.release(unmet)
