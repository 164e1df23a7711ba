"""Per-operation loaders: what an operation asks for twice is fetched once, what it asks for together in a batch."""

import asyncio
from typing import Any

from aiodataloader import DataLoader

from gateway.users.ids import Kind, Ref
from gateway.users.model import User
from gateway.users.planning import Plan
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources

__all__ = ["Loaders"]


class Loaders:
    """The loaders of one operation. Never kept longer: what they hold is not refreshed."""

    def __init__(self, sources: Sources, reference: ReferenceData, plan: Plan) -> None:
        self.plan = plan
        self._sources = sources
        self._reference = reference
        self._loaders: dict[Kind, _Loader] = {}

    def load(self, ref: Ref) -> "asyncio.Future[Any]":
        """The record, or None where its source has none; raises what its source raised."""
        loader = self._loaders.get(ref.kind)
        if loader is None:
            loader = self._loaders[ref.kind] = self._made(ref.kind)
        return loader.load(ref)

    def close(self) -> None:
        """End what is still being loaded: nobody waits for it any more."""
        for loader in self._loaders.values():
            loader.close()

    def _made(self, kind: Kind) -> "_Loader":
        needs = self.plan.of(kind)
        return _UserLoader(self._sources, needs) if kind is Kind.USER else _RecordLoader(self._reference, needs)


class _Loader(DataLoader[Ref, Any]):
    """aiodataloader runs each batch in a task of its own, which would outlive a caller that goes away."""

    def __init__(self) -> None:
        super().__init__()
        self._batches: set[asyncio.Task[Any]] = set()

    async def batch_load_fn(self, keys: list[Ref]) -> list[Any]:
        task = asyncio.current_task()
        if task is not None:
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        return await self.fetch(keys)

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        """The records in the order of their references; an exception in a record's place is its own."""
        raise NotImplementedError

    def close(self) -> None:
        for task in self._batches:
            task.cancel()


class _UserLoader(_Loader):
    """One call a user; those of a batch come back together, so that their lookups batch too."""

    def __init__(self, sources: Sources, needs: frozenset[str]) -> None:
        super().__init__()
        self._sources = sources
        self._needs = needs

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        if len(refs) == 1:  # without a task of its own
            return [await self._fetch(refs[0])]
        return await asyncio.gather(*(self._fetch(ref) for ref in refs), return_exceptions=True)

    async def _fetch(self, ref: Ref) -> User | None:
        return await self._sources.named(ref.source).fetch_user(ref, self._needs)


class _RecordLoader(_Loader):
    """Reference records of one kind."""

    def __init__(self, reference: ReferenceData, needs: frozenset[str]) -> None:
        super().__init__()
        self._reference = reference
        self._needs = needs

    async def fetch(self, refs: list[Ref]) -> list[Any]:
        found = await self._reference.look_up(refs, self._needs)
        return [found[ref] for ref in refs]
