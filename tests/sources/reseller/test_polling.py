"""Polling the reseller source: all users are read and compared, while they move between the pages."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from gateway.app.sources import build
from gateway.errors import SourceNotConfigured
from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN, SandboxOptions, SandboxServer
from gateway.settings import ResellerSettings, Settings
from gateway.sources.http.exchange import Request, Response
from gateway.users.changes import UpdateResellerUser
from gateway.users.model import User, UserChange, UserSource
from gateway.users.source import UserQuery
from gateway.users.source_changes import PolledSource, SourceChanges

CREATED, UPDATED, DELETED = UserChange
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """A reseller API by the documentation alone: its users, and what happens between two calls for a page."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    between: Any = None
    ignores_pages: bool = False
    pages: int = 0
    reads: int = 0
    _made: int = 0

    def create(self, **fields: Any) -> str:
        self._made += 1
        id_ = f"Id-{self._made:04d}"
        at = self._at()
        self.users[id_] = {"id": id_, "firstName": "New", "createdAt": at, "updatedAt": at, **fields}
        return id_

    def update(self, id_: str, **fields: Any) -> None:
        self._made += 1
        self.users[id_] = self.users[id_] | fields | {"updatedAt": self._at()}

    def _at(self) -> str:
        return (LONG_AGO + timedelta(seconds=self._made)).strftime("%Y-%m-%dT%H:%M:%S.0000001Z")

    async def send(self, request: Request) -> Response:
        path, _, text = request.url.partition("?")
        if path.endswith("/users"):
            self.pages += 1
            if self.between is not None:
                self.between()
            query = dict(parse_qsl(text))
            newest_first = sorted(self.users.values(), key=lambda user: (user["createdAt"], user["id"]), reverse=True)
            limit, page = int(query["limit"]), 1 if self.ignores_pages else int(query["page"])
            return _response(newest_first[(page - 1) * limit : page * limit])
        self.reads += 1
        user = self.users.get(path.rpartition("/")[2])
        return _response({"message": "No such user."}, 404) if user is None else _response(user)


def _response(body: Any, status: int = 200) -> Response:
    return Response(status, {}, orjson.dumps(body))


class Polling:
    """The reseller source of a world, and its polls, one after the other."""

    def __init__(self, source: Any, world: World) -> None:
        self.source = source(UserSource.RESELLER)
        self.source._api._send = world.send
        self.position: str | None = None

    async def poll(self, *, saved: bool = True) -> SourceChanges:
        found: SourceChanges = await self.source.changes_since(self.position)
        if saved:
            self.position = found.position
        return found


def pairs(found: SourceChanges) -> list[tuple[UserChange, str]]:
    """Return the changes, each with the id of its user."""
    return [(change, user.source_id) for change, user in found.changes]


async def test_rounds(source: Any) -> None:
    """Created, changed and deleted users are reported once each; the first round reports none."""
    world = World()
    ids = [world.create() for _ in range(250)]
    polling = Polling(source, world)
    assert isinstance(polling.source, PolledSource)
    first = await polling.poll()
    assert (first.changes, first.has_unknown, world.pages) == ((), True, 3)
    assert await polling.poll() == SourceChanges((), polling.position or "")
    world.update(ids[7], firstName="Ada")
    made = world.create()
    del world.users[ids[100]], world.users[ids[3]]
    found = await polling.poll()
    assert pairs(found) == [(UPDATED, ids[7]), (CREATED, made), (DELETED, ids[100]), (DELETED, ids[3])]
    assert found.changes[0][1].first_name == "Ada"
    gone = found.changes[3][1]
    assert gone == User(UserSource.RESELLER, ids[3], "t1", updated_at=gone.updated_at)
    assert gone.updated_at is not None
    assert not found.has_unknown
    assert (await polling.poll()).changes == ()
    assert world.reads == 2  # of the two that were missing


async def test_a_round_that_is_repeated(source: Any) -> None:
    """Changes whose position was not saved are reported again; after a round of another replica all are unknown."""
    world = World()
    polling = Polling(source, world)
    await polling.poll()
    made = world.create()
    for _ in range(2):
        assert pairs(await polling.poll(saved=False)) == [(CREATED, made)]
    other = Polling(source, world)
    other.position = polling.position
    taken_over = await other.poll()
    assert (taken_over.changes, taken_over.has_unknown) == ((), True)
    polling.position = other.position
    returned = await polling.poll()
    assert (returned.changes, returned.has_unknown) == ((), True)
    assert pairs(await polling.poll()) == []


async def test_what_is_no_change_of_the_user(source: Any) -> None:
    """A changed organization is an unknown change; after a login the user is not as before, which is no event."""
    world = World()
    id_ = world.create(organization={"id": "o1", "name": "One"}, lastLoginAt=None)
    polling = Polling(source, world)
    await polling.poll()
    world.users[id_] |= {"lastLoginAt": "2026-01-02T00:00:00Z"}
    found = await polling.poll()
    assert (found.changes, found.has_unknown, [user.source_id for user in found.altered]) == ((), False, [id_])
    assert (await polling.poll()).altered == ()
    world.users[id_] |= {"organization": {"id": "o1", "name": "Two"}}
    found = await polling.poll()
    assert (found.changes, found.has_unknown) == ((), True)
    assert not (await polling.poll()).has_unknown


async def test_states_of_one_instant(source: Any) -> None:
    """A user that had just been changed in a round may be another one in the next, with the same time of change."""
    world = World()
    polling = Polling(source, world)
    await polling.poll()
    at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()  # however long the rounds take
    id_ = world.create(createdAt=at, updatedAt=at)
    assert pairs(await polling.poll()) == [(CREATED, id_)]
    found = await polling.poll()
    assert (found.changes, [user.source_id for user in found.altered]) == ((), [id_])
    world.users[id_] |= {"firstName": "Eve"}
    found = await polling.poll()
    assert (pairs(found), found.altered) == ([(UPDATED, id_)], ())
    old = await polling.poll()
    assert (old.changes, len(old.altered)) == ((), 1)


async def test_created_and_changed(source: Any) -> None:
    """A user that was created and changed between two rounds is reported as changed: a webhook said the rest."""
    world = World()
    polling = Polling(source, world)
    await polling.poll()
    id_ = world.create()
    world.update(id_, firstName="Ada")
    assert pairs(await polling.poll()) == [(UPDATED, id_)]


async def test_many_deleted_users(source: Any) -> None:
    """Of many missing users some are read in each round; until all were, changes are unknown, and none is invented."""
    world = World()
    ids = [world.create() for _ in range(140)]
    polling = Polling(source, world)
    await polling.poll()
    for id_ in ids[:120]:
        del world.users[id_]
    rounds = [await polling.poll() for _ in range(4)]
    assert [len(found.changes) for found in rounds] == [50, 50, 20, 0]
    assert [found.has_unknown for found in rounds] == [True, True, False, False]
    assert sorted(id_ for found in rounds for _, id_ in pairs(found)) == sorted(ids[:120])


async def test_users_that_move_to_an_earlier_page(source: Any) -> None:
    """Where deletions move users over the start of the next page, the reading returns, and reads none of them alone."""
    world = World()
    ids = [world.create() for _ in range(300)]
    polling = Polling(source, world)
    await polling.poll()

    def delete() -> None:
        world.between = None
        for id_ in ids[210:280]:
            del world.users[id_]

    world.between = lambda: setattr(world, "between", delete)  # after the first page
    found = await polling.poll()
    assert (found.changes, found.has_unknown, world.reads) == ((), False, 0)
    assert {id_ for _, id_ in pairs(await polling.poll())} <= set(ids[210:280])


async def test_pages_that_are_all_the_same(source: Any) -> None:
    """A source that ignores the number of the page is not read for ever; all changes are unknown then."""
    world = World(ignores_pages=True)
    for _ in range(100):
        world.create()
    polling = Polling(source, world)
    for _ in range(2):
        found = await polling.poll()
        assert (found.changes, found.has_unknown) == ((), True)
    assert world.pages < 20


async def test_without_a_reseller(source: Any) -> None:
    """Without a configured reseller there is nothing to poll, which is an error that says so."""
    with pytest.raises(SourceNotConfigured):
        await source(UserSource.RESELLER, reseller_id="").changes_since(None)


@pytest.mark.parametrize("seed", range(60))
async def test_users_that_move_while_they_are_read(source: Any, seed: int) -> None:
    """Whatever happens between two pages, no event is untrue, and none is missing of what happened before the round."""
    choose = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    world = World()
    for _ in range(choose.choice([3, 99, 100, 101, 260])):
        world.create()
    polling = Polling(source, world)
    await polling.poll()
    known = {id_: user["firstName"] for id_, user in world.users.items()}
    states: dict[str, set[str]] = {id_: {name} for id_, name in known.items()}
    deleted: set[str] = set()
    activity = choose.choice([1, 5, 40])

    def change() -> None:
        for _ in range(choose.randrange(activity)):
            kind, id_ = choose.random(), choose.choice([*world.users, ""])
            if kind < 0.3 or not id_:
                states[world.create()] = {"New"}
            elif kind < 0.6:
                name = f"Name {choose.randrange(1000)}"
                world.update(id_, firstName=name)
                states[id_].add(name)
            else:
                del world.users[id_]
                deleted.add(id_)

    for number in range(8):
        world.between = change if number < 5 else None
        before = {id_: user["firstName"] for id_, user in world.users.items()}
        deleted_before = set(deleted)
        found = await polling.poll()
        for kind, user in found.changes:
            if kind is DELETED:
                assert user.source_id in deleted, seed
                del known[user.source_id]
            else:
                assert user.first_name in states[user.source_id], seed
                assert (kind is not CREATED) or user.source_id not in known, seed
                known[user.source_id] = user.first_name
        if not found.has_unknown:
            after = {id_: user["firstName"] for id_, user in world.users.items()}
            unchanged = {id_: name for id_, name in before.items() if after.get(id_) == name}
            assert unchanged.items() <= known.items(), seed
            assert known.keys().isdisjoint(deleted_before), seed
    assert known == after, seed


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    """A sandbox with three pages of users in the reseller source."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False, users=250)))


async def test_the_sandbox(sandbox: SandboxServer, transport: Any) -> None:
    """Over a socket: a change is reported as a read returns it, and the event is that of the webhook."""
    given = {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID}
    settings = Settings(reseller=ResellerSettings.model_validate(given))
    source: Any = build(UserSource.RESELLER, settings, transport().send)
    first = await source.changes_since(None)
    found = await source.changes_since(first.position)
    assert (found.changes, found.has_unknown) == ((), False)
    [ada, *_] = (await source.page_users(UserQuery(), None, 5, frozenset())).items
    await source.update_user(ada.ref, UpdateResellerUser(first_name="Changed"), "")
    found = await source.changes_since(found.position)
    assert found.changes == ((UPDATED, await source.fetch_user(ada.ref, frozenset())),)
