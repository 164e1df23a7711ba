"""Loaders: within one operation, each record is fetched once, and lookups made at the same time are one batch."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import Any

import msgspec
from aiodataloader import DataLoader

from gateway.errors import Forbidden
from gateway.operation import current_principal
from gateway.principal import ANYONE, Action, Principal
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import Department, Identified, Organization, User, UserSource
from gateway.users.planning import DETAILS, Plan
from gateway.users.reading import UserReader
from gateway.users.reference import ReferenceData

__all__ = ["Finder", "Loaders", "load_expanded_reference", "load_expansion", "load_reference"]


Finder = Callable[[Identified], tuple[Any] | None]
"""Returns what `load` gives for a record, in a tuple, if it is kept and within its lifetime; None for other records.

Nothing has to be awaited for it, and it is not stale.
"""


_NOTHING: frozenset[str] = frozenset()
_READ = Action.READ  # CONTRIBUTING.md, "Speed"
_USER = Kind.USER


class Loaders(msgspec.Struct, eq=False):
    """The loaders of one operation and its principal. Do not reuse them for another: their records are not renewed."""

    _reads: UserReader
    _reference: ReferenceData
    plan: Plan
    _principal: Principal = ANYONE
    _loaders: "dict[Kind, _Loader]" = {}

    def load(self, ref: Ref) -> "asyncio.Future[Any]":
        """Return a future of the record, None if its source has none; it raises the source's error, or Forbidden."""
        return self._of(ref.kind).load(ref)

    def load_many(self, kind: Kind, refs: Iterable[Ref]) -> "list[asyncio.Future[Any]]":
        """Do the same for several records of one kind. All lookups made before the next await are one batch."""
        load = self._of(kind).load
        return [load(ref) for ref in refs]

    def finder(self, kind: Kind) -> "Finder | None":
        """Return the fast path of `load` for the records of one kind; None if no record of the kind is kept."""
        loader = self._of(kind)
        return None if loader.fresh is None else loader.try_load

    def load_single(self, ref: Ref) -> User | Awaitable[User | None] | None:
        """Return the only user of an operation, or an awaitable of it if it is not kept: without the tasks of a batch.

        The caller checks the scope.
        """
        needs, fresh_users = self.plan.needs.get(_USER, _NOTHING), self._reads.fresh_users
        kept = fresh_users.give(ref, needs, self._principal) if fresh_users.exist else None
        return self._reads.user(ref, needs, self._principal) if kept is None else kept[0]

    def may_be_stale(self, ref: Ref) -> bool:
        """Return whether the awaited record of a reference may be one that is kept past its lifetime."""
        return ref.kind is not _USER or ref.source in self._reads.kept_sources

    def close(self) -> None:
        """Cancel the batches under way and what awaits their records, at the end of the operation."""
        for loader in self._loaders.values():
            loader.close()

    def _of(self, kind: Kind) -> "_Loader":
        loader = self._loaders.get(kind)
        if loader is None:
            needs, principal = self.plan.of_calls(kind), self._principal
            if kind is _USER:
                loader = _UserLoader(self._reads, needs, principal)
            else:
                loader = _RecordLoader(self._reference, kind, needs, principal)
            self._loaders[kind] = loader
        return loader


class _Loader(DataLoader[Ref, Any], ABC):
    """Loads the records of one kind.

    aiodataloader runs each batch in a task, which would outlive an operation that is cancelled: `close` ends them.
    graphql-core lets fields below a null that was propagated go on in tasks: `close` ends those that await a record.
    """

    keeps = True
    """Whether records of the kind are kept at all."""

    fresh: Callable[[Ref], tuple[Any] | None] | None = None
    """Returns a record in a tuple if it is kept and within its lifetime, else None; None: there are no such records.

    The caller checks the scope.
    """

    def __init__(self, needs: frozenset[str], principal: Principal) -> None:
        self._requested: dict[Ref, asyncio.Future[Any]] = {}
        self._given: dict[Ref, tuple[Any]] = {}  # by `try_load`
        self._readable: set[UserSource] = set()  # as far as `try_load` has checked the scopes
        super().__init__(cache_map=self._requested)
        self._needs = needs
        self._principal = principal
        self._batches: set[asyncio.Task[Any]] = set()

    def load(self, key: Ref) -> "asyncio.Future[Any]":
        """Return a future of the record, which is already done if the record is kept: no batch, no tasks."""
        requested = self._requested.get(key)
        if requested is None and self.keeps and self._principal.may(_READ, key.source):
            kept = self._given.get(key) or self.kept(key)
            if kept is not None:
                requested = self._requested[key] = self.loop.create_future()
                requested.set_result(kept[0])
        if requested is None:  # as `DataLoader.load`, which looks the key up once more
            requested = self._requested[key] = self.loop.create_future()
            self.do_resolve_reject(key, requested)
        return requested

    def try_load(self, record: Identified) -> tuple[Any] | None:
        """Return the record in a tuple if it is kept and within its lifetime, else None: `load` it then."""
        key = record.ref
        given = self._given.get(key)
        if given is not None or self.fresh is None or key in self._requested:
            return given
        source = key.source
        if source not in self._readable:
            if not self._principal.may(_READ, source):
                return None
            self._readable.add(source)
        given = self.fresh(key)
        if given is not None:
            self._given[key] = given
        return given

    async def batch_load_fn(self, keys: list[Ref]) -> list[Any]:
        task = asyncio.current_task()
        if task is not None:
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        current_principal.set(self._principal)  # the task of a batch has a separate context
        # Scopes are checked here and not only in the service, because a record refers to records of other sources, and
        # the first record may be the result of a change.
        if all(self._principal.may(_READ, source) for source in {key.source for key in keys}):
            return await self.fetch(keys)
        return await self._fetch_allowed(keys)

    async def _fetch_allowed(self, keys: list[Ref]) -> list[Any]:
        """Return the records of the sources that the principal may read, and Forbidden for the others."""
        found: dict[Ref, Any] = {}
        for key in keys:
            try:
                self._principal.require(_READ, key.source)
            except Forbidden as error:
                found[key] = error
        allowed = [key for key in keys if key not in found]
        if allowed:
            found |= dict(zip(allowed, await self.fetch(allowed), strict=True))
        return [found[key] for key in keys]

    @abstractmethod
    def kept(self, ref: Ref) -> tuple[Any] | None:
        """Return the record in a tuple if it can be given without waiting, else None. The caller checks the scope."""

    @abstractmethod
    async def fetch(self, refs: list[Ref]) -> list[Any]:
        """Return the records in the order of their references, for each that failed its exception."""

    def close(self) -> None:
        for task in self._batches:
            task.cancel()
        for future in self._requested.values():  # a task that nobody waits for may still await one: it would not end
            future.cancel()


class _UserLoader(_Loader):
    """Loads users, by one call each. A batch waits for all of them, so that their lookups are one batch too."""

    def __init__(self, reads: UserReader, needs: frozenset[str], principal: Principal) -> None:
        super().__init__(needs, principal)
        self._reads = reads

    def kept(self, ref: Ref) -> tuple[Any] | None:
        return self._reads.fresh_users.give(ref, self._needs, self._principal)

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        if len(refs) == 1:  # without another task
            return [await self._reads.user(refs[0], self._needs)]
        return await asyncio.gather(*(self._reads.user(ref, self._needs) for ref in refs), return_exceptions=True)


class _RecordLoader(_Loader):
    """Loads reference data of one kind."""

    def __init__(self, reference: ReferenceData, kind: Kind, needs: frozenset[str], principal: Principal) -> None:
        super().__init__(needs, principal)
        self._reference = reference
        fresh = reference.fresh(kind, needs, principal)
        self.keeps = fresh is not None
        self.fresh = None if fresh is None else fresh.find

    def kept(self, ref: Ref) -> tuple[Any] | None:
        if self.fresh is None:
            return None
        return self.fresh(ref) or self._reference.stale(ref, self._needs, self._principal)

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        found = await self._reference.look_up(refs, self._needs, self._principal)
        return [found[ref] for ref in refs]


OnLoad = Callable[[Ref], None]
"""Receives the reference of each record that was looked up, before its value is used."""


def load_expansion(
    record: Any, name: str, loaders: Loaders, if_gone: Any = None, *, on_load: OnLoad = lambda _: None
) -> Any | Awaitable[Any]:
    """Return the value of a field that its source may not have sent, or an awaitable of its lookup.

    `record` has `loaded` (`gateway.users.model`). If its source no longer has it, the value is `if_gone`.
    """
    if _is_loaded(record, name, loaders):
        return getattr(record, name)
    return _load_field(loaders, ref_of(record), name, if_gone, on_load)


def load_reference(
    record: Organization | Department | None, loaders: Loaders, *, on_load: OnLoad = lambda _: None
) -> Any | Awaitable[Any]:
    """Return the record, or an awaitable of its lookup if it is a bare reference and more than its id was requested."""
    if record is None or record.name is not None:
        return record
    ref = ref_of(record)
    if DETAILS not in loaders.plan.of(ref.kind):
        return record
    found = loaders.load(ref)
    if found.done():
        on_load(ref)
    else:
        found.add_done_callback(lambda _: on_load(ref))  # before that of whoever awaits it
    return found


def load_expanded_reference(
    record: Any, name: str, loaders: Loaders, *, on_load: OnLoad = lambda _: None
) -> Any | Awaitable[Any]:
    """Do the same for a field whose value may be a bare reference, which is then looked up too."""
    if _is_loaded(record, name, loaders):
        return load_reference(getattr(record, name), loaders, on_load=on_load)
    return _load_field_and_reference(loaders, ref_of(record), name, on_load)


def _is_loaded(record: Any, name: str, loaders: Loaders) -> bool:
    ref = ref_of(record)
    return loaders.plan.below(ref.kind, name) <= record.loaded or not ref.source_id


async def _load_field_and_reference(loaders: Loaders, ref: Ref, name: str, on_load: OnLoad) -> Any:
    value = load_reference(await _load_field(loaders, ref, name, None, on_load), loaders, on_load=on_load)
    return await value if isawaitable(value) else value


async def _load_field(loaders: Loaders, ref: Ref, name: str, if_gone: Any, on_load: OnLoad) -> Any:
    found = await loaders.load(ref)
    on_load(ref)
    return if_gone if found is None else getattr(found, name)
