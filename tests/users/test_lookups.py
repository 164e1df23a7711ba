from collections.abc import Callable
from typing import Any

import pytest

from gateway.users.ids import Kind
from gateway.users.loaders import Loaders, load_expansion, load_reference
from gateway.users.model import Department, Organization, OwnerType, Role, RoleOwner, UserSource
from gateway.users.planning import DETAILS, Plan
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
SYSTEM = RoleOwner(OwnerType.SYSTEM)
KNOWN = Role(ACCOUNT, "r1", "Known", owner=SYSTEM, permissions=("team:read",))


@pytest.fixture
def loaders(make_source: Callable[..., Any], make_directory: Callable[..., Any]) -> Callable[..., Loaders]:
    """Makes loaders of an account with one role and one department, and of a reseller with one organization."""

    def make(**needs: set[str]) -> Loaders:
        account = make_source(
            ACCOUNT,
            directories={
                Kind.ROLE: make_directory({"r1": KNOWN}),
                Kind.DEPARTMENT: make_directory({"d1": Department("d1", "Whole")}),
            },
        )
        reseller = make_source(
            UserSource.RESELLER,
            directories={Kind.ORGANIZATION: make_directory({"o1": Organization("t", "o1", "Whole")})},
        )
        plan = Plan({Kind[kind.upper()]: frozenset(names) for kind, names in needs.items()})
        return UserService(Sources([account, reseller])).loaders(plan)

    return make


@pytest.mark.parametrize(
    ("record", "name", "needs", "value"),
    [
        (Role(ACCOUNT, "r1", "", loaded=frozenset({"owner"})), "owner", {"owner"}, None),
        (Role(ACCOUNT, "r1", "", owner=SYSTEM, loaded=frozenset({"owner"})), "owner", {"owner"}, SYSTEM),
        (Role.named(UserSource.RESELLER, "user"), "owner", {"owner", "owner.account"}, None),
        (Role.named(UserSource.RESELLER, "user"), "permissions", {"permissions"}, None),
    ],
)
async def test_expansion_in_the_record(loaders: Any, record: Role, name: str, needs: set[str], value: Any) -> None:
    """A field that was included is returned as it is, also None, without an awaitable."""
    assert load_expansion(record, name, loaders(role=needs)) is value


@pytest.mark.parametrize(
    ("record", "name", "needs", "value"),
    [
        (Role(ACCOUNT, "r1", ""), "owner", {"owner"}, SYSTEM),
        (
            Role(ACCOUNT, "r1", "", owner=SYSTEM, loaded=frozenset({"owner"})),
            "owner",
            {"owner", "owner.account"},
            SYSTEM,
        ),
        (Role(ACCOUNT, "r1", ""), "permissions", {"permissions"}, ("team:read",)),
        (Role(ACCOUNT, "gone", ""), "permissions", {"permissions"}, None),
    ],
)
async def test_expansion_looked_up(loaders: Any, record: Role, name: str, needs: set[str], value: Any) -> None:
    """A field that was not included, or without the fields below it, is looked up."""
    assert await load_expansion(record, name, loaders(role=needs)) == value


async def test_reference_not_looked_up(loaders: Any) -> None:
    """A complete record, None, and a bare reference of which only the id is requested are returned as they are."""
    complete, bare = Department("d1", "Known"), Department("d1")
    assert load_reference(complete, loaders(department={DETAILS})) is complete
    assert load_reference(None, loaders(department={DETAILS})) is None
    assert load_reference(bare, loaders()) is bare


async def test_reference_looked_up(loaders: Any) -> None:
    """A bare reference is looked up if more than its id is requested."""
    assert (await load_reference(Department("d1"), loaders(department={DETAILS}))).name == "Whole"
    assert (await load_reference(Organization("t", "o1"), loaders(organization={DETAILS}))).name == "Whole"
