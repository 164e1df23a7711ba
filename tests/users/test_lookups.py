from collections.abc import Callable
from typing import Any

import pytest

from gateway.users.ids import Kind
from gateway.users.loaders import Loaders, expanded, whole
from gateway.users.model import Department, Organization, OwnerType, Role, RoleOwner, UserSource
from gateway.users.planning import DETAILS, Plan
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
SYSTEM = RoleOwner(OwnerType.SYSTEM)
THERE = Role(ACCOUNT, "r1", "There", owner=SYSTEM, permissions=("team:read",))


@pytest.fixture
def loaders(system: Callable[..., Any], directory: Callable[..., Any]) -> Callable[..., Loaders]:
    """Loaders of an account with one role and one department, and a reseller with one organization."""

    def make(**needs: set[str]) -> Loaders:
        account = system(
            ACCOUNT,
            directories={
                Kind.ROLE: directory({"r1": THERE}),
                Kind.DEPARTMENT: directory({"d1": Department("d1", "Whole")}),
            },
        )
        reseller = system(
            UserSource.RESELLER,
            directories={Kind.ORGANIZATION: directory({"o1": Organization("t", "o1", "Whole")})},
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
async def test_in_hand(loaders: Any, record: Role, name: str, needs: set[str], value: Any) -> None:
    """A field that arrived is given as it is, null too, without an awaitable."""
    assert expanded(record, name, loaders(role=needs)) is value


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
async def test_looked_up(loaders: Any, record: Role, name: str, needs: set[str], value: Any) -> None:
    """A field that did not arrive, or not with what lies below it, comes from the record's own endpoint."""
    assert await expanded(record, name, loaders(role=needs)) == value


async def test_whole_in_hand(loaders: Any) -> None:
    """Nothing is looked up for what is there, what is not, and what is asked for its identity only."""
    complete, bare = Department("d1", "There"), Department("d1")
    assert whole(complete, loaders(department={DETAILS})) is complete
    assert whole(None, loaders(department={DETAILS})) is None
    assert whole(bare, loaders()) is bare


async def test_whole_looked_up(loaders: Any) -> None:
    """A bare reference is looked up where more than its identity is asked for."""
    assert (await whole(Department("d1"), loaders(department={DETAILS}))).name == "Whole"
    assert (await whole(Organization("t", "o1"), loaders(organization={DETAILS}))).name == "Whole"
