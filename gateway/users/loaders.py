"""Per-operation loaders: one record is fetched once, and many are fetched together.

No source filters by a list of ids and the account API allows 20 calls a second, so one distinct id
costs one GET, and more cost one list call (and its next pages while ids are missing).
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiodataloader import DataLoader

from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.planning import Plan
from gateway.users.source import Directory, Sources

__all__ = ["Loaders"]


class Loaders:
    """The loaders of one operation. Never kept longer: what they hold is not refreshed."""

    def __init__(self, sources: Sources, plan: Plan) -> None:
        self.plan = plan
        self._users = _UserLoader(sources, plan.of(Kind.USER))
        self._records = {
            kind: _RecordLoader(sources, kind, plan.of(kind))
            for kind in (Kind.ROLE, Kind.DEPARTMENT, Kind.ORGANIZATION)
        }

    def load(self, ref: Ref) -> "asyncio.Future[Any]":
        """The record, or None where its source has none; raises what its source raised."""
        return self._users.load(ref) if ref.kind is Kind.USER else self._records[ref.kind].load(ref)


class _UserLoader(DataLoader[Ref, User | None]):
    """One call a user; those of a batch come back together, so that their lookups batch too."""

    def __init__(self, sources: Sources, needs: frozenset[str]) -> None:
        super().__init__()
        self._sources = sources
        self._needs = needs

    async def batch_load_fn(self, keys: list[Ref]) -> list[Any]:
        return await asyncio.gather(*(self._fetch(ref) for ref in keys), return_exceptions=True)

    async def _fetch(self, ref: Ref) -> User | None:
        return await self._sources.named(ref.source).fetch_user(ref, self._needs)


class _RecordLoader(DataLoader[Ref, Any]):
    """Reference records of one kind."""

    def __init__(self, sources: Sources, kind: Kind, needs: frozenset[str]) -> None:
        super().__init__()
        self._sources = sources
        self._kind = kind
        self._needs = needs

    async def batch_load_fn(self, keys: list[Ref]) -> list[Any]:
        groups: dict[tuple[UserSource, str], list[Ref]] = {}
        for ref in keys:
            groups.setdefault((ref.source, ref.tenant), []).append(ref)
        found: dict[Ref, Any] = {}
        for records in await asyncio.gather(*(self._look_up(group) for group in groups.values())):
            found |= records
        return [found.get(ref) for ref in keys]

    async def _look_up(self, refs: Sequence[Ref]) -> dict[Ref, Any]:
        """The records of one system and tenant; a failure is every record's that it kept away."""
        missing = {ref.source_id: ref for ref in refs}
        found: dict[Ref, Any] = {}
        try:
            directory = self._directory(refs[0])
            if directory is None:  # a global id can be written by hand: that system has no records of this kind
                return found
            position: str | None = None
            while len(missing) > 1:
                page = await directory.page(refs[0].tenant, self._needs, position)
                for record in page.items:
                    if ref := missing.pop(record.source_id, None):
                        found[ref] = record
                if page.next is None:
                    return found
                position = page.next
            for ref in missing.values():  # at most one: a GET costs no more than a page, and settles it
                found[ref] = await directory.fetch(ref, self._needs)
        except Exception as error:  # noqa: BLE001 - each record fails alone; the loader hands the error on
            return found | dict.fromkeys(missing.values(), error)
        return found

    def _directory(self, ref: Ref) -> Directory[Any] | None:
        return self._sources.named(ref.source).directories.get(self._kind)
