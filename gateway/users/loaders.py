"""Per-operation loaders: what an operation asks for twice is fetched once, what it asks for together in a batch."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable
from typing import Any

from aiodataloader import DataLoader

from gateway.errors import Forbidden
from gateway.operation import ANYONE, Action, Principal, acting_as, current_principal
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import Department, Organization, Role, User
from gateway.users.planning import DETAILS, Plan
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources

__all__ = ["Loaders", "expanded", "whole"]


class Loaders:
    """The loaders of one operation, for its caller. Never kept longer: what they hold is not refreshed."""

    def __init__(self, sources: Sources, reference: ReferenceData, plan: Plan, principal: Principal = ANYONE) -> None:
        self.plan = plan
        self._principal = principal
        self._sources = sources
        self._reference = reference
        self._loaders: dict[Kind, _Loader] = {}

    def load(self, ref: Ref) -> "asyncio.Future[Any]":
        """The record, or None where its source has none; raises what its source raised, or Forbidden."""
        return self._of(ref.kind).load(ref)

    def load_many(self, kind: Kind, refs: Iterable[Ref]) -> "list[asyncio.Future[Any]]":
        """Each record of that kind, as `load` does; what is asked for before anybody waits is one batch."""
        load = self._of(kind).load
        return [load(ref) for ref in refs]

    async def load_alone(self, ref: Ref) -> User | None:
        """The one user that an operation is about: as `load` does, without the tasks that a batch takes."""
        self._principal.require(Action.READ, ref.source)
        with acting_as(self._principal):
            return await self._sources.named(ref.source).fetch_user(ref, self.plan.of(Kind.USER))

    def close(self) -> None:
        """End what is still being loaded: nobody waits for it any more."""
        for loader in self._loaders.values():
            loader.close()

    def _of(self, kind: Kind) -> "_Loader":
        loader = self._loaders.get(kind)
        if loader is None:
            needs, principal = self.plan.of(kind), self._principal
            if kind is Kind.USER:
                loader = _UserLoader(self._sources, needs, principal)
            else:
                loader = _RecordLoader(self._reference, needs, principal)
            self._loaders[kind] = loader
        return loader


class _Loader(DataLoader[Ref, Any], ABC):
    """aiodataloader runs each batch in a task of its own, which would outlive a caller that goes away."""

    def __init__(self, needs: frozenset[str], principal: Principal) -> None:
        self._asked: dict[Ref, asyncio.Future[Any]] = {}
        super().__init__(cache_map=self._asked)
        self._needs = needs
        self._principal = principal
        self._batches: set[asyncio.Task[Any]] = set()

    async def batch_load_fn(self, keys: list[Ref]) -> list[Any]:
        task = asyncio.current_task()
        if task is not None:
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        current_principal.set(self._principal)  # the batch's task has a context of its own
        # Here and not only in the service: a record in hand leads to others, and may be a change's answer.
        if all(self._principal.may(Action.READ, key.source) for key in keys):
            return await self.fetch(keys)
        return await self._allowed(keys)

    async def _allowed(self, keys: list[Ref]) -> list[Any]:
        """The records of the systems that may be read, and in the others' places why not."""
        found: dict[Ref, Any] = {}
        for key in keys:
            try:
                self._principal.require(Action.READ, key.source)
            except Forbidden as error:
                found[key] = error
        asked = [key for key in keys if key not in found]
        if asked:
            found |= dict(zip(asked, await self.fetch(asked), strict=True))
        return [found[key] for key in keys]

    @abstractmethod
    async def fetch(self, refs: list[Ref]) -> list[Any]:
        """The records in the order of their references; an exception in a record's place is its own."""

    def close(self) -> None:
        for task in self._batches:
            task.cancel()


class _UserLoader(_Loader):
    """One call a user; those of a batch come back together, so that their lookups batch too."""

    def __init__(self, sources: Sources, needs: frozenset[str], principal: Principal) -> None:
        super().__init__(needs, principal)
        self._sources = sources

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        if len(refs) == 1:  # without a task of its own
            return [await self._fetch(refs[0])]
        return await asyncio.gather(*(self._fetch(ref) for ref in refs), return_exceptions=True)

    async def _fetch(self, ref: Ref) -> User | None:
        return await self._sources.named(ref.source).fetch_user(ref, self._needs)


class _RecordLoader(_Loader):
    """Reference records of one kind."""

    def __init__(self, reference: ReferenceData, needs: frozenset[str], principal: Principal) -> None:
        super().__init__(needs, principal)
        self._reference = reference

    def load(self, key: Ref) -> "asyncio.Future[Any]":
        """What is kept is there at once, without the tasks that a batch takes."""
        asked = self._asked.get(key)
        if asked is None:
            kept = self._reference.kept(key, self._needs, self._principal)
            if kept is not None and self._principal.may(Action.READ, key.source):
                asked = self._asked[key] = self.loop.create_future()
                asked.set_result(kept[0])
        return asked or super().load(key)

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        found = await self._reference.look_up(refs, self._needs, self._principal)
        return [found[ref] for ref in refs]


def expanded(record: Role | Department, name: str, loaders: Loaders) -> Any | Awaitable[Any]:
    """A field that arrives only where it is included: from the record in hand, else from a batched lookup."""
    ref = ref_of(record)
    if loaders.plan.below(ref.kind, name) <= record.loaded or not ref.source_id:
        return getattr(record, name)
    return _field(loaders, ref, name)


def whole(record: Organization | Department | None, loaders: Loaders) -> Any | Awaitable[Any]:
    """A record that may be a bare reference: looked up where more than its identity is asked for."""
    if record is None or record.name is not None:
        return record
    ref = ref_of(record)
    return loaders.load(ref) if DETAILS in loaders.plan.of(ref.kind) else record


async def _field(loaders: Loaders, ref: Ref, name: str) -> Any:
    found = await loaders.load(ref)
    return None if found is None else getattr(found, name)
