"""Fake sources with random content: records with nulls, unknown values and wrong types, and calls that fail."""

import asyncio
import types
import typing
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, lru_cache
from random import Random
from typing import Any

from msgspec.structs import fields as struct_fields

from gateway.errors import BadUserInput, GatewayError, NotFound, SourceTimeout, SourceUnavailable
from gateway.users.ids import Kind, Ref
from gateway.users.model import Department, Listed, Organization, Record, Role, Timestamp, User, UserSource
from gateway.users.source import Page, Window

__all__ = ["AwaitableValue", "FakeDirectory", "FakeSource", "FakeSources", "fake_sources"]

IDS = ("a", "b", "c", "d", "e")
_TEXTS = ("", "admin", "ACTIVE", "active", "Ärger", "x" * 40)
_TIMES = ("2026-01-01T00:00:00Z", "2025-06-01T12:00:00.123456789+02:00", "1970-01-01T00:00:00-23:59")
_EXPANSIONS = ("owner", "owner.account", "permissions", "location", "scanning_stations", "machines")
_COMMON = {"role": Role, "department": Department, "organization": Organization}
_MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class AwaitableValue:
    """A value that has to be awaited. It can be awaited any number of times."""

    value: Any

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Stream:
    """An asynchronous iterable of the same value twice. It can be iterated over any number of times."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Stream()"

    async def __aiter__(self) -> AsyncIterator[Any]:
        yield self.value
        await asyncio.sleep(0)
        yield self.value


class Records:
    """Creates random records; `unfit_rate` is the probability that a value is replaced by an unfit one."""

    def __init__(self, random: Random, unfit_rate: float) -> None:
        self._random = random
        self._unfit_rate = unfit_rate

    def make(self, record_class: type, depth: int = 0, **given: Any) -> Any:
        """Return a record of that class, with the given fields unchanged."""
        hints = _hints(record_class)
        return record_class(
            **{
                field.name: given[field.name] if field.name in given else self._field(field.name, hints, depth)
                for field in struct_fields(record_class)
            }
        )

    def _field(self, name: str, hints: Mapping[str, Any], depth: int) -> Any:
        if name == "loaded":
            return frozenset(self._random.sample(_EXPANSIONS, self._random.randint(0, len(_EXPANSIONS))))
        if name == "source_id":
            known = self._random.choice(IDS[:4]) if self._random.random() < 0.95 else ""
            return self._unfit(known) if self._random.random() < self._unfit_rate / 2 else known
        if name == "source":  # of a role; the users' are given
            return self._random.choice((UserSource.ACCOUNT, UserSource.ACCOUNT, UserSource.ACCOUNT, *UserSource))
        if name == "tenant":  # the users' is given
            return "t"
        if self._random.random() < self._unfit_rate:
            return self._unfit(self._value(hints[name], depth))
        return self._value(hints[name], depth)

    def _value(self, hint: Any, depth: int) -> Any:
        random = self._random
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            non_null = next(argument for argument in inner if argument is not type(None))
            return None if random.random() < 0.15 + 0.15 * depth else self._value(non_null, depth)
        if origin is tuple:
            return tuple(self._item(inner[0], depth) for _ in range(random.randint(0, 3 if depth < 2 else 1)))
        if origin is Listed:
            nodes = tuple(self._item(inner[0], depth) for _ in range(random.randint(0, 2 if depth < 3 else 1)))
            return Listed(nodes, random.random() < 0.5, random.random() < 0.5)
        if isinstance(hint, type) and issubclass(hint, Record):
            return self.make(hint, depth + 1) if depth < _MAX_DEPTH else None
        if isinstance(hint, type) and issubclass(hint, Enum):
            return random.choice(list(hint))
        return {
            str: lambda: random.choice(_TEXTS),
            Timestamp: lambda: Timestamp(random.choice(_TIMES)),
            bool: lambda: random.random() < 0.5,
            int: lambda: random.choice((-1, 0, 7, 2**31 - 1)),
            Any: lambda: random.choice((None, 1, "1.5", {"amount": 1.5}, [1, None])),
        }[hint]()

    def _item(self, hint: Any, depth: int) -> Any:
        value = self._value(hint, depth)
        return self._unfit(value) if self._random.random() < self._unfit_rate else value

    def _unfit(self, value: Any) -> Any:
        random = self._random
        return random.choice(
            [
                *(None, None, None, ValueError("unfit"), SourceTimeout("late")),
                *("text", 7, 2**40, True, 1.5, float("nan"), b"", UserSource.ACCOUNT, {"a": 1}, range(2)),
                *(
                    [],
                    [value],
                    (value, None),
                    [value, ValueError("item")],
                    (AwaitableValue(value), value),
                    {1: value}.values(),
                ),
                *(AwaitableValue(value), AwaitableValue(None), AwaitableValue(KeyError("late")), Stream(value)),
            ]
        )


@cache
def _hints(record_class: type) -> dict[str, Any]:
    return typing.get_type_hints(record_class)


@dataclass
class FakeDirectory:
    """Reference data by id. It fails as a whole, since it depends on the batch which call fetches a record.

    `iterations` is the number of event loop iterations before it responds.
    """

    records: Mapping[str, Any]
    failure: Exception | None = None
    iterations: int = 0
    calls: int = 0
    template: str = "/records/{id}"

    async def fetch(self, ref: Ref, *_: Any) -> Any:
        self.calls += 1
        await _iterate(self.iterations)
        if self.failure is not None:
            raise self.failure
        return self.records.get(ref.source_id)

    async def page(self, *_: Any, **__: Any) -> Page[Any]:
        self.calls += 1
        await _iterate(self.iterations)
        if self.failure is not None:
            raise self.failure
        return Page(tuple(self.records.values()))


@dataclass
class FakeSource:
    """A source of users. `changes` has the begin and the end of each change that it was sent.

    `failing` has the exceptions by source id, and under None the one for lists.
    """

    name: UserSource
    users: Mapping[str, Any]
    directories: Mapping[Kind, FakeDirectory]
    failing: Mapping[str | None, Exception] = field(default_factory=dict)
    iterations: int = 0
    changes: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return "t" if self.name is UserSource.RESELLER else ""

    @property
    def probes(self) -> tuple[()]:
        return ()

    async def fetch_user(self, ref: Ref, *_: Any) -> Any:
        await _iterate(self.iterations)
        if ref.source_id in self.failing:
            raise self.failing[ref.source_id]
        return self.users.get(ref.source_id)

    async def page_users(self, *_: Any) -> Window:
        await _iterate(self.iterations)
        if None in self.failing:
            raise self.failing[None]
        return Window(tuple(user for user in self.users.values() if isinstance(user, User)))

    async def update_user(self, ref: Ref, change: Any, *_: Any) -> Any:
        return await self._changed(ref, change)

    async def create_user(self, change: Any, *_: Any) -> Any:
        return await self._changed(Ref(Kind.USER, self.name, "a"), change)

    async def _changed(self, ref: Ref, change: Any) -> Any:
        self.changes.append(("begun", ref, change.given()))
        try:
            return await self.fetch_user(ref)
        finally:
            self.changes.append(("ended", ref, change.given()))


@dataclass(frozen=True, slots=True)
class FakeSources:
    """Sources that give the same response to the same request."""

    sources: tuple[FakeSource, ...]
    changes: list[Any] = field(default_factory=list)

    def fresh(self) -> "FakeSources":
        """Return the same sources without changes."""
        changes: list[Any] = []
        return FakeSources(tuple(replace(source, changes=changes) for source in self.sources), changes)


@lru_cache(4)
def fake_sources(seed: int) -> FakeSources:
    """Return the fake sources of that seed."""
    random = Random(seed)  # noqa: S311 - no secret
    records = Records(random, random.choice((0.0, 0.02, 0.1)))
    failure_rate = random.choice((0.0, 0.1, 0.3))
    sources = []
    for name in UserSource:
        if random.random() < 0.1:
            continue
        tenant = "t" if name is UserSource.RESELLER else ""
        # Several users may refer to the same record object, as those of one list do.
        common = {attribute: records.make(kind) for attribute, kind in _COMMON.items() if random.random() < 0.5}
        users = {
            source_id: records.make(
                User,
                source=name,
                source_id=source_id,
                tenant=tenant,
                created_at=Timestamp(random.choice(_TIMES)),
                **{attribute: record for attribute, record in common.items() if random.random() < 0.7},
            )
            for source_id in IDS[:4]
        }
        kinds: Mapping[Kind, type] = {
            UserSource.ACCOUNT: {Kind.ROLE: Role, Kind.DEPARTMENT: Department},
            UserSource.RESELLER: {Kind.ORGANIZATION: Organization},
        }.get(name, {})
        directories = {}
        for kind, record in kinds.items():
            given: dict[str, Any] = {"source": name} if kind is Kind.ROLE else {}
            if random.random() < 0.2:
                given["name"] = None  # though the name of a role and of a department is non-null
            known = {source_id: records.make(record, source_id=source_id, **given) for source_id in IDS[:3]}
            directories[kind] = FakeDirectory(known, _failing(random, failure_rate).get(None), random.randint(0, 3))
        sources.append(FakeSource(name, users, directories, _failing(random, failure_rate), random.randint(0, 3)))
    return FakeSources(tuple(sources))


def _failing(random: Random, failure_rate: float) -> dict[str | None, Exception]:
    errors: tuple[type[GatewayError], ...] = (SourceUnavailable, SourceTimeout, NotFound, BadUserInput)
    return {
        source_id: random.choice([RuntimeError("defect"), *(error(error.__name__) for error in errors)])
        for source_id in (*IDS, None)
        if random.random() < failure_rate
    }


async def _iterate(iterations: int) -> None:
    for _ in range(iterations):
        await asyncio.sleep(0)
