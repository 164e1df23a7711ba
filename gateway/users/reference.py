"""Reference data: roles, departments and organizations, looked up together and reused for a while.

No source filters by a list of ids and the account API allows 20 calls a second, so one distinct id
costs one GET, and more cost one list call (and its next pages while ids are missing). Lookups of one
kind that come in while one is under way wait for it and go together next, whoever asks: under load
many operations share few calls. Callers for whom a source is called with the gateway's own credential
share records, those who forward their own share nothing (`Principal.credential`).
"""

import asyncio
import contextvars
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.errors import Origin, SourceTimeout
from gateway.kit.tasks import gather
from gateway.operation import ANYONE, Principal, acting_as, seconds_left
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import Directory, Sources

__all__ = ["ReferenceData"]

_MOST_RECORDS = 20_000


_Key = tuple[str, frozenset[str], Ref]
"""What is kept, by whose credential it was read and what it has to have: a bare tuple, made for every lookup."""


class _Desk(msgspec.Struct, frozen=True, gc=False):
    """Where lookups of one kind, with the same needs and by the same credential, come together."""

    credential: str
    source: UserSource
    tenant: str
    kind: Kind
    needs: frozenset[str]

    def key(self, ref: Ref) -> _Key:
        """What a record that was looked up here is kept under."""
        return self.credential, self.needs, ref


@dataclass(slots=True)
class _Queue:
    """What is asked at a desk: what waits, what is being looked up now, and how many callers wait for either.

    It is asked on behalf of `principal`, who came first: for all who come there the answers are the same.
    """

    principal: Principal
    waiting: dict[Ref, "asyncio.Future[Any]"] = field(default_factory=dict)
    under_way: dict[Ref, "asyncio.Future[Any]"] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None
    callers: int = 0


class ReferenceData:
    """Records that may be reused for `ttl` seconds; with 0 every operation looks up for itself.

    `most` bounds how many are kept, the least recently used going first.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        ttl: float = 0,
        most: int = _MOST_RECORDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._ttl = ttl
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[_Key, tuple[float, Any]] = OrderedDict()
        self._queues: dict[_Desk, _Queue] = {}

    def kept(self, ref: Ref, needs: frozenset[str], principal: Principal = ANYONE) -> tuple[Any] | None:
        """The record, or the None in its place, where it was looked up a while ago; None where it was not.

        That the principal may read is for the caller to know: what is kept is given without asking again.
        """
        if not self._kept:
            return None
        return self._fresh((principal.credential(ref.source), needs, ref))

    async def look_up(
        self, refs: Sequence[Ref], needs: frozenset[str], principal: Principal = ANYONE
    ) -> dict[Ref, Any]:
        """Each record, None where its source has none, or the error that kept it away; as `kept` does."""
        groups: dict[tuple[Kind, UserSource, str], list[Ref]] = {}
        for ref in refs:
            groups.setdefault((ref.kind, ref.source, ref.tenant), []).append(ref)
        found: dict[Ref, Any] = {}
        desks = [(_desk(group[0], needs, principal), group) for group in groups.values()]
        for records in await gather(self._at(desk, group, principal) for desk, group in desks):
            found |= records
        return found

    def drop(self, source: UserSource, kind: Kind) -> None:
        """Forget what a change through the gateway may have altered, also what is being looked up now."""
        for key in [key for key in self._kept if key[2].source is source and key[2].kind is kind]:
            del self._kept[key]
        for desk in [desk for desk in self._queues if desk.source is source and desk.kind is kind]:
            del self._queues[desk]

    async def _at(self, desk: _Desk, refs: list[Ref], principal: Principal) -> dict[Ref, Any]:
        if not self._ttl:
            return await self._fetch(desk, refs, principal)
        found = {ref: kept[0] for ref in refs if (kept := self._fresh(desk.key(ref)))}
        asked = [ref for ref in refs if ref not in found]
        if asked:
            found |= dict(zip(asked, await self._ask(desk, asked, principal), strict=True))
        return found

    def _fresh(self, key: _Key) -> tuple[Any] | None:
        found = self._kept.get(key)
        if found is None or self._clock() >= found[0]:
            return None
        self._kept.move_to_end(key)
        return (found[1],)

    async def _ask(self, desk: _Desk, refs: Iterable[Ref], principal: Principal) -> list[Any]:
        queue = self._queues.setdefault(desk, _Queue(principal))
        loop = asyncio.get_running_loop()
        answers = [queue.under_way.get(ref) or queue.waiting.setdefault(ref, loop.create_future()) for ref in refs]
        if queue.task is None:
            # In a context of its own: the deadline of whoever came first is not everybody's.
            queue.task = loop.create_task(self._serve(desk, queue), context=contextvars.Context())
        queue.callers += 1
        try:
            async with asyncio.timeout(seconds_left()):
                return await asyncio.gather(*(asyncio.shield(answer) for answer in answers))
        except TimeoutError:
            late = SourceTimeout(
                f"The {desk.source} source did not respond in time.", origin=Origin(source=desk.source)
            )
            return [late] * len(answers)
        finally:
            queue.callers -= 1
            if not queue.callers and queue.task is not None:  # everybody has gone before it was done
                self._close(desk, queue)
                queue.task.cancel()

    async def _serve(self, desk: _Desk, queue: _Queue) -> None:
        try:
            while queue.waiting:
                queue.under_way, queue.waiting = queue.waiting, {}
                found = await self._fetch(desk, list(queue.under_way), queue.principal)
                for ref, answer in queue.under_way.items():
                    record = found.get(ref)
                    if self._queues.get(desk) is queue and not isinstance(record, Exception):
                        self._keep(desk.key(ref), record)
                    answer.set_result(record)  # an error too: it is each record's own, not the batch's
        finally:
            queue.task = None
            self._close(desk, queue)
            for answer in (*queue.under_way.values(), *queue.waiting.values()):
                answer.cancel()  # only where the loop is ending; an answer that was given stays

    def _close(self, desk: _Desk, queue: _Queue) -> None:
        if self._queues.get(desk) is queue:  # whoever comes now is served by a new one
            del self._queues[desk]

    def _keep(self, key: _Key, record: Any) -> None:
        self._kept[key] = (self._clock() + self._ttl, record)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    async def _fetch(self, desk: _Desk, refs: Sequence[Ref], principal: Principal) -> dict[Ref, Any]:
        with acting_as(principal):
            return await self._fetched(desk, refs)

    async def _fetched(self, desk: _Desk, refs: Sequence[Ref]) -> dict[Ref, Any]:
        """The records by the fewest calls; a failure is every record's that it kept away."""
        missing = {ref.source_id: ref for ref in refs}
        found: dict[Ref, Any] = dict.fromkeys(refs)
        try:
            directory: Directory[Any] | None = self._sources.named(desk.source).directories.get(desk.kind)
            if directory is None:  # an id can be written by hand: that system has no records of this kind
                return found
            position: str | None = None
            while len(missing) > 1:
                page = await directory.page(desk.tenant, desk.needs, position)
                for record in page.items:
                    if ref := missing.pop(record.source_id, None):
                        found[ref] = record
                if page.next is None or page.next == position:
                    return found
                position = page.next
            for ref in missing.values():  # at most one: a GET costs no more than a page, and settles it
                found[ref] = await directory.fetch(ref, desk.needs)
        except Exception as error:  # noqa: BLE001 - each record fails alone; the loader hands the error on
            return found | dict.fromkeys(missing.values(), error)
        return found


def _desk(ref: Ref, needs: frozenset[str], principal: Principal) -> _Desk:
    return _Desk(principal.credential(ref.source), ref.source, ref.tenant, ref.kind, needs)
