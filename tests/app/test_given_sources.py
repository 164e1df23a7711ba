"""A source that the embedding program passes in place of the configured one: here, one in memory."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from gateway import AccountSettings, Gateway, Settings
from gateway.changes import CreateAccountUser, UpdateAccountUser
from gateway.errors import BadUserInput, Internal, NotFound, Outcome, SourceTimeout, SourceUnavailable
from gateway.models import Department, Organization, Role, User, UserSource, View
from gateway.sources import CreatingSource, Directory, Kind, Page, Ref, Source, SourceChanges, UserQuery, Window

ACCOUNT, RESELLER = UserSource.ACCOUNT, UserSource.RESELLER
TENANT = "r1"  # the reseller, whose id is a part of global ids


@dataclass
class Records:
    """The directory of one kind of record."""

    records: dict[str, Any]
    calls: list[str] = field(default_factory=list)
    template: str = "/records/{id}"

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> Any:  # noqa: ARG002 - as the protocol has it
        self.calls.append(f"fetch {ref.source_id}")
        return self.records.get(ref.source_id)

    async def page(self, *_: object, **__: object) -> Page[Any]:
        self.calls.append("page")
        return Page(tuple(self.records.values()))


class MemorySource(Source):
    """The account users of a test, in memory."""

    def __init__(self, *users: User) -> None:
        self.users = {user.source_id: user for user in users}
        self.roles = Records(
            {
                name: Role(ACCOUNT, name, name.title(), permissions=(f"{name}:all",), loaded=frozenset({"permissions"}))
                for name in ("admin", "member")
            }
        )
        self.calls: list[str] = []
        self.is_down = False

    @property
    def name(self) -> UserSource:
        return ACCOUNT

    @property
    def directories(self) -> Mapping[Kind, Directory[Any]]:
        return {Kind.ROLE: self.roles, Kind.DEPARTMENT: Records({"d": Department("d", "Sales")})}

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:  # noqa: ARG002 - as above
        self.calls.append(f"fetch {ref.source_id}")
        if self.is_down:
            raise SourceUnavailable("The test has switched the source off.")
        return self.users.get(ref.source_id)

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:  # noqa: ARG002 - as above
        self.calls.append("page")
        start = int(position or 0)
        found = [user for user in self.users.values() if query.matches(user)]
        end = start + limit
        return Window(tuple(found[start:end]), next=str(end) if end < len(found) else None)

    async def update_user(self, ref: Ref, change: UpdateAccountUser, key: str) -> User | None:  # noqa: ARG002 - as above
        self.calls.append(f"update {ref.source_id}")
        if ref.source_id not in self.users:
            raise NotFound("There is no such user.")
        changed = msgspec.structs.replace(self.users[ref.source_id], **change.given())
        self.users[ref.source_id] = changed
        return changed

    async def create_user(self, change: CreateAccountUser, key: str) -> User:  # noqa: ARG002 - as above
        user = User(ACCOUNT, f"u{len(self.users)}", **change.given())
        self.users[user.source_id] = user
        return user

    async def changes_since(self, position: str | None) -> SourceChanges:
        return SourceChanges((), position or "0")


class Marketplace(MemorySource):
    """A second source, without users."""

    @property
    def name(self) -> UserSource:
        return UserSource.SOFTWAREONE


@pytest.fixture
def memory() -> MemorySource:
    """A source with six users."""
    roles = [Role(ACCOUNT, "admin", "Admin"), Role(ACCOUNT, "member", "Member")]
    return MemorySource(
        *(
            User(ACCOUNT, f"u{number}", name=f"User {number}", email=f"u{number}@example.com", role=roles[number % 2])
            for number in range(6)
        )
    )


class ResellerSource(MemorySource):
    """Mia alone, with the id of her organization, whose name is in the directory."""

    def __init__(self) -> None:
        super().__init__(User(RESELLER, "mia", TENANT, name="Mia", organization=Organization(TENANT, "o1")))
        self.organizations = Records({"o1": Organization(TENANT, "o1", "Wool & Co")})

    @property
    def name(self) -> UserSource:
        return RESELLER

    @property
    def tenant(self) -> str:
        return TENANT

    @property
    def directories(self) -> Mapping[Kind, Directory[Any]]:
        return {Kind.ORGANIZATION: self.organizations}


def _empty() -> Settings:
    return Settings(account={}, softwareone={}, reseller={})


async def test_the_typed_service(memory: MemorySource) -> None:
    """A source in memory is read, listed, searched and changed as a configured one, without any setting for it."""
    assert isinstance(memory, CreatingSource)
    async with Gateway(_empty(), sources=[memory]) as gateway:
        users = gateway.users
        user = await users.get_user("u1", ACCOUNT)
        assert user is not None
        assert (user.source_id, user.name) == ("u1", memory.users["u1"].name)
        page = await users.list_users(first=4)
        rest = await users.list_users(first=4, after=page.end_cursor)
        assert [found.source_id for found in (*page.users, *rest.users)] == list(memory.users)
        assert [role.name for role in (await users.list_roles()).roles] == ["Admin", "Member"]
        assert [found.source_id for found in (await users.find_person("U3@example.com")).users] == ["u3"]
        assert (await users.update_account_user("u1", {"name": "New"})).name == "New"
        assert (await users.create_account_user({"email": "new@example.com"})).source_id == "u6"
        assert memory.users["u1"].name == "New"
        with pytest.raises(NotFound):
            await users.update_account_user("none", {"name": "x"})
        with pytest.raises(BadUserInput):
            await users.update_account_user("u1", {"name": None})
        assert gateway.ready
        assert [left_out.name for left_out in (await gateway._serving._read_status()).left_out] == [
            "softwareone",
            "reseller",
        ]


async def test_graphql(memory: MemorySource) -> None:
    """Its reference data is looked up in batches, and its errors are those of any source."""
    async with Gateway(_empty(), sources=[memory]) as gateway:
        result = await gateway.execute("{ users(first: 6) { nodes { name role { permissions } } } }")
        assert result.errors is None
        assert result.data is not None
        assert [node["role"]["permissions"] for node in result.data["users"]["nodes"]] == [
            ["admin:all"],
            ["member:all"],
        ] * 3
        assert memory.calls == ["page"]
        assert memory.roles.calls == ["page"]
        memory.is_down = True
        failed = await gateway.execute('{ user(id: "u1", source: ACCOUNT) { name } }')
        assert failed.errors
        assert (failed.errors[0].extensions or {})["code"] == "SOURCE_UNAVAILABLE"


async def test_instead_of_a_configured_one(
    memory: MemorySource, sandbox: Any, sandbox_settings: Callable[..., Settings]
) -> None:
    """It replaces the configured source of its name; the others are those of the settings."""
    async with Gateway(sandbox_settings(), sources=[memory]) as gateway:
        assert [source.name for source in gateway._entered.sources.sources] == list(UserSource)
        page = await gateway.users.list_users(first=50)
        assert {user.source for user in page.users} == set(UserSource)
        assert {user.source_id for user in page.users if user.source is ACCOUNT} == set(memory.users)


async def test_a_reference_that_was_not_sent() -> None:
    """An organization of which the source sent the id alone is looked up only if it is requested."""
    reseller = ResellerSource()
    async with Gateway(_empty(), sources=[reseller]) as gateway:
        basic = await gateway.users.get_user("mia", RESELLER)
        assert reseller.organizations.calls == []
        full = await gateway.users.get_user("mia", RESELLER, view=View.FULL)
    assert basic is not None
    assert full is not None
    assert basic.organization is not None
    assert full.organization is not None
    assert (full.organization.id, full.organization.name) == (basic.organization.id, "Wool & Co")
    assert reseller.organizations.calls == ["fetch o1"]


async def test_deadlines(memory: MemorySource) -> None:
    """A source that hangs is left at the deadline of the operation, and at the timeout of its settings."""

    async def hang(*_: object, **__: object) -> Any:
        await asyncio.Event().wait()

    memory.fetch_user = memory.update_user = memory.roles.fetch = memory.roles.page = hang  # type: ignore[method-assign]  # what hangs
    settings = _empty()
    account = settings.account.model_copy(update={"timeout": 0.05})
    async with Gateway(settings.model_copy(update={"account": account}), sources=[memory]) as gateway:
        for awaitable, outcome in (
            (gateway.users.get_user("u1", ACCOUNT), None),
            (gateway.users.get_role("admin"), None),
            (gateway.users.list_roles(), None),
            (gateway.users.update_account_user("u1", {"name": "x"}), Outcome.UNKNOWN),
        ):
            with pytest.raises(SourceTimeout) as caught:
                await awaitable
            assert (caught.value.outcome, caught.value.origin.source) == (outcome, "account")
    async with Gateway(settings, sources=[memory]) as gateway:
        result = await gateway.execute('{ user(id: "u1", source: ACCOUNT) { name } }', timeout=0.05)
        assert result.errors
        assert (result.errors[0].extensions or {})["code"] == "SOURCE_TIMEOUT"


async def test_a_cancellation_inside_of_a_source(memory: MemorySource) -> None:
    """A source that is cancelled by itself fails alone: its caller is not cancelled."""

    async def cancelled(*_: object, **__: object) -> Any:
        raise asyncio.CancelledError

    memory.fetch_user = cancelled  # type: ignore[method-assign]  # what is cancelled
    async with Gateway(_empty(), sources=[memory]) as gateway:
        with pytest.raises(Internal):
            await gateway.users.get_user("u1", ACCOUNT)


async def test_defects(memory: MemorySource, caplog: pytest.LogCaptureFixture) -> None:
    """Any other exception of a source is INTERNAL, with its cause in the log alone; a change may have been executed."""

    async def fail(*_: object, **__: object) -> Any:
        raise ConnectionResetError("s3cret")

    memory.fetch_user = memory.page_users = memory.update_user = fail  # type: ignore[method-assign]  # what fails
    async with Gateway(_empty(), sources=[memory]) as gateway:
        for awaitable, outcome in (
            (gateway.users.get_user("u1", ACCOUNT), None),
            (gateway.users.update_account_user("u1", {"name": "x"}), Outcome.UNKNOWN),
        ):
            with pytest.raises(Internal) as raised:
                await awaitable
            assert (raised.value.message, raised.value.outcome) == (Internal.masked, outcome)
        changed = await gateway.execute('mutation { updateAccountUser(id: "u1", input: {name: "x"}) { name } }')
        assert changed.errors
        extensions = changed.errors[0].extensions or {}
        assert (extensions["code"], extensions["outcome"]) == ("INTERNAL", "unknown")
    async with Gateway(_empty(), sources=[memory, Marketplace()]) as gateway:
        page = await gateway.users.list_users()
        assert [(source.source, source.message) for source in page.unavailable] == [(ACCOUNT, Internal.masked)]
    assert caplog.text.count("ConnectionResetError: s3cret") == 4


async def test_the_source_of_an_error(memory: MemorySource) -> None:
    """An error that a source raises names the source."""
    memory.is_down = True
    async with Gateway(_empty(), sources=[memory]) as gateway:
        with pytest.raises(SourceUnavailable) as raised:
            await gateway.users.get_user("u1", ACCOUNT)
    assert raised.value.origin.source == "account"


async def test_two_sources_of_one_name(memory: MemorySource) -> None:
    """Two sources of one name, and a name that is none of a source, are refused when the gateway is entered."""
    with pytest.raises(ValueError, match="two sources with the name account"):
        await Gateway(_empty(), sources=[memory, memory]).__aenter__()


async def test_polling(memory: MemorySource) -> None:
    """A source that is polled is among the feeds of the status, as a configured one is."""
    settings = Settings(http_port=0, account=AccountSettings(poll_interval=60), softwareone={}, reseller={})
    async with Gateway(settings, sources=[memory]) as gateway:
        server = await gateway.serve_http(grace=1)
        try:
            url = "http://{}:{}/status".format(*server.address)
            async with ClientSession() as session, session.get(url) as response:
                [feed] = (await response.json())["feeds"]
        finally:
            await server.stop()
    assert (feed["source"], feed["kind"]) == ("account", "polling")
