"""Fake sources and directories in memory; they record their calls in `calls`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.users.ids import Kind, Ref
from gateway.users.model import Department, Organization, Role, User, UserSource
from gateway.users.source import Page

Record = Role | Department | Organization


@dataclass
class FakeDirectory:
    """A directory in pages of two records. `failing` ids and positions raise; a fetch waits for `gate`."""

    records: Mapping[str, Record]
    failing: Mapping[str | None, Exception] = field(default_factory=dict)
    stuck: bool = False
    gate: asyncio.Event | None = None
    requested: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    template: str = "/records/{id}"

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> Record | None:
        self.calls.append(("fetch", ref.tenant, ref.source_id, needs))
        self.requested.set()
        if self.gate is not None:
            await self.gate.wait()
        if ref.source_id in self.failing:
            raise self.failing[ref.source_id]
        return self.records.get(ref.source_id)

    async def page(self, tenant: str, needs: frozenset[str], after: str | None, **_: Any) -> Page[Record]:
        self.calls.append(("page", tenant, after, needs))
        if after in self.failing:
            raise self.failing[after]
        start = int(after or 0)
        rows = tuple(self.records.values())
        if self.stuck:
            return Page(rows[:2], "0")
        return Page(rows[start : start + 2], str(start + 2) if start + 2 < len(rows) else None)


@dataclass
class FakeSource:
    """A source with `users`; the ids in `failing` raise, and those in `slow` take longer.

    Changes raise the `failing_changes` first. A new user is `created`. A `silent` one confirms a change without a body.
    With `answers_as`, a change returns the user of that id.
    """

    name: UserSource
    tenant: str = ""
    users: Mapping[str, User] = field(default_factory=dict)
    directories: Mapping[Kind, FakeDirectory] = field(default_factory=dict)
    failing: Mapping[str, Exception] = field(default_factory=dict)
    slow: frozenset[str] = frozenset()
    answers_as: str | None = None
    silent: bool = False
    recognises_keys: bool = True
    list_template: str = "/users"
    created: User | None = None
    failing_changes: list[Exception] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        self.calls.append(("fetch_user", ref, needs))
        if ref.source_id in self.slow:
            await asyncio.sleep(0.01)
        if ref.source_id in self.failing:
            raise self.failing[ref.source_id]
        return self.users.get(ref.source_id)

    def now(self) -> float:
        return time.time()

    async def update_user(self, ref: Ref, change: Any, key: str) -> User | None:
        given = change.given()
        self.calls.append(("update_user", ref, given, key))
        if self.failing_changes:
            raise self.failing_changes.pop(0)
        if self.silent:
            return None
        return User(self.name, self.answers_as or ref.source_id, ref.tenant, email=given.get("email"))

    async def create_user(self, change: Any, key: str) -> User:
        self.calls.append(("create_user", change.given(), key))
        return self.created or User(self.name, "acus_new")


@pytest.fixture
def make_source() -> Callable[..., FakeSource]:
    """The class of fake sources."""
    return FakeSource


@pytest.fixture
def make_directory() -> Callable[..., FakeDirectory]:
    """The class of fake directories."""
    return FakeDirectory


@pytest.fixture
def roles() -> FakeDirectory:
    """A directory of five roles, r1 to r5, on three pages."""
    return FakeDirectory({f"r{n}": Role(UserSource.ACCOUNT, f"r{n}", f"Role {n}") for n in range(1, 6)})
