"""Records of which some fields were not loaded."""

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec.structs import asdict, replace

from gateway.api.python.partial import all_as_loaded, as_loaded
from gateway.errors import FieldNotLoaded, GatewayError, SourceTimeout
from gateway.users.model import (
    Account,
    Department,
    Listed,
    Location,
    Machine,
    MarketplaceAccount,
    Organization,
    OwnerType,
    ProductionStep,
    Role,
    RoleOwner,
    ScanningStation,
    User,
    UserSource,
)
from gateway.users.read_plan import View, read_plan_of_paths, read_plan_of_view

OWNER = RoleOwner(OwnerType.ACCOUNT)
ROLE = Role(UserSource.ACCOUNT, "r1", "Admin", owner=OWNER, loaded=frozenset({"owner"}))
DEPARTMENT = Department("d1", "Shop", loaded=frozenset({"notes", "created_at", "updated_at"}))
ADA = User(UserSource.ACCOUNT, "u1", name="Ada", email="ada@example.com", role=ROLE, department=DEPARTMENT)


def basic(user: User, failures: Mapping[str, GatewayError] | None = None) -> User:
    """Return the user as the basic view has it."""
    return as_loaded(user, read_plan_of_view("User", View.BASIC), failures or {})


def message_of(read: str, user: User) -> str:
    """Read a dotted path, and return the message of the error for a field that was not loaded."""
    value: Any = user
    *before, last = read.split(".")
    for name in before:
        value = value[int(name)] if name.isdecimal() else getattr(value, name)
    with pytest.raises(FieldNotLoaded) as raised:
        getattr(value, last)
    assert raised.value.message.startswith(f"{raised.value.record}.{raised.value.field} was not loaded")
    return raised.value.message


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("department.location", 'Department.location was not loaded: read the user with view=View.FULL or fields=("'),
        ("role.permissions", 'read the user with view=View.FULL or fields=("role.permissions",).'),
        ("role.owner.account", 'read the user with view=View.FULL or fields=("role.owner.account",).'),
    ],
)
def test_fields_that_the_source_did_not_send(path: str, advice: str) -> None:
    """Reading a field that was not included raises, and the message says how to load it."""
    user = basic(ADA)
    assert advice in message_of(path, user)
    assert (user.name, user.phone) == ("Ada", None)
    assert user.department is not None
    assert user.department.notes is None  # it was loaded, and there are none
    assert user.role is not None
    assert user.role.owner is not None
    assert user.role.owner.type is OwnerType.ACCOUNT


def test_a_field_of_a_record_in_a_list() -> None:
    """The path in the message is that of the field, without the index in a list."""
    machines = Listed((Machine("m1", "Mill", loaded=frozenset({"notes"})),))
    user = replace(ADA, department=replace(DEPARTMENT, machines=machines, loaded=DEPARTMENT.loaded | {"machines"}))
    message = message_of("department.machines.nodes.0.serial_number", basic(user))
    assert message.endswith('read the user with fields=("department.machines.nodes.serial_number",).')


def test_fields_that_were_not_requested() -> None:
    """With paths, only the fields at these paths can be read, and what identifies a record."""
    accounts = (MarketplaceAccount("a1", "Acme", "Client"),)
    user = as_loaded(replace(ADA, accounts=accounts), read_plan_of_paths("User", ("name", "accounts.name")), {})
    assert (user.name, user.source, user.source_id, user.id) == ("Ada", ADA.source, "u1", ADA.id)
    assert user.accounts
    assert (user.accounts[0].name, user.accounts[0].id) == ("Acme", accounts[0].id)
    assert message_of("email", user).endswith('view=View.FULL or fields=("email",).')
    assert message_of("accounts.0.type", user).endswith('read the user with fields=("accounts.type",).')
    with pytest.raises(FieldNotLoaded):
        getattr(user, "email", None)
    with pytest.raises(FieldNotLoaded):
        hasattr(user, "email")


def test_a_part_of_an_owner() -> None:
    """Of the owner of a role too, only what was requested can be read, and only if the source sent it."""
    user = as_loaded(ADA, read_plan_of_paths("User", ("role.owner.type",)), {})
    assert user.role is not None
    assert user.role.owner is not None
    assert user.role.owner.type is OwnerType.ACCOUNT
    assert 'fields=("role.owner.account",)' in message_of("role.owner.account", user)
    assert "role.name" in message_of("role.name", user)
    without_account = as_loaded(ADA, read_plan_of_paths("User", ("role.owner.account.name",)), {})
    assert "role.owner.type" in message_of("role.owner.type", without_account)
    assert "role.owner.account" in message_of("role.owner.account", without_account)


def test_a_bare_reference() -> None:
    """Of a record that was not looked up, only its id can be read."""
    user = basic(User(UserSource.RESELLER, "u1", "t1", organization=Organization("t1", "o1")))
    assert user.organization is not None
    assert (user.organization.source_id, user.organization.tenant) == ("o1", "t1")
    assert 'fields=("organization.name",)' in message_of("organization.name", user)
    looked_up = as_loaded(
        User(UserSource.RESELLER, "u1", "t1", organization=Organization("t1", "o1")),
        read_plan_of_view("User", View.FULL),
        {},
    )
    assert looked_up.organization is not None
    assert looked_up.organization.name is None  # its source has no name for it


def test_failed_lookups() -> None:
    """Reading a field whose lookup failed raises the error of the lookup, each time with a traceback of its own."""
    failure = SourceTimeout("The Account source did not respond in time.")
    user = basic(ADA, {"department.location": failure})
    assert user.department is not None
    for _ in range(2):
        with pytest.raises(SourceTimeout) as raised:
            _ = user.department.location
        assert raised.value is not failure
        assert raised.value.message == failure.message
    assert user.department.name == "Shop"
    organization = basic(User(UserSource.RESELLER, "u1", "t1", organization=None), {"organization": failure})
    with pytest.raises(SourceTimeout):
        _ = organization.organization


def test_nothing_is_missing() -> None:
    """A record that lacks nothing is returned as it is."""
    account = Account("a1", "Acme", loaded=frozenset(("default_billing_address", "default_shipping_address")))
    whole = Role.named(UserSource.RESELLER, "Admin")
    assert basic(replace(ADA, role=whole, department=None)) == replace(ADA, role=whole, department=None)
    user = User(UserSource.SOFTWAREONE, "u1")
    assert basic(user) is user
    system = replace(
        ROLE, owner=RoleOwner(OwnerType.SYSTEM), permissions=(), loaded=frozenset({"owner", "permissions"})
    )
    assert as_loaded(system, read_plan_of_view("Role", View.FULL), {}) is system
    owned = replace(system, owner=RoleOwner(OwnerType.ACCOUNT, account))
    loaded = as_loaded(owned, read_plan_of_view("Role", View.FULL), {})
    assert loaded.owner is not None
    assert loaded.owner.account is not None
    assert loaded.owner.account.name == "Acme"
    with pytest.raises(FieldNotLoaded, match=r'read the role with fields=\("owner.account.portal",\)'):
        _ = loaded.owner.account.portal


def test_equality() -> None:
    """Records are equal if the same fields were loaded, with the same values; equal records have equal hashes."""
    plan = read_plan_of_paths("User", ("name",))
    one, other = as_loaded(ADA, plan, {}), as_loaded(ADA, plan, {})
    assert one == other
    assert hash(one) == hash(other)
    assert one != ADA
    assert (one == ADA) is False  # compared by the class that is not partial
    assert one != as_loaded(replace(ADA, name="Bob"), plan, {})
    assert one != "Ada"
    department = basic(ADA).department
    assert department == as_loaded(DEPARTMENT, read_plan_of_view("Department", View.BASIC), {})
    whole = replace(as_loaded(Location("l1", "Hall", "building"), read_plan_of_view("Location", View.BASIC), {}))
    filled = replace(whole, parent=None, children=None, created_at=None, updated_at=None)
    assert (filled == Location("l1", "Hall", "building")) is True
    assert hash(filled) == hash(Location("l1", "Hall", "building"))


def test_representation() -> None:
    """`repr` shows fields that were not loaded, JSON and builtins leave them out; the class keeps its name."""
    department = basic(ADA).department
    assert isinstance(department, Department)
    assert type(department).__name__ == "Department"
    assert repr(department).startswith("Department(source_id='d1', name='Shop', notes=None, location=UNSET,")
    plain = msgspec.to_builtins(as_loaded(ADA, read_plan_of_paths("User", ("name",)), {}))
    always = {"source": "account", "source_id": "u1", "tenant": "", "omitted_fields": (), "image_version": None}
    assert plain == always | {"name": "Ada"}
    assert asdict(department)["location"] is msgspec.UNSET
    with pytest.raises(TypeError):
        vars(department)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record))])  # noqa: S301 - of this test
def test_copies(copied: object) -> None:
    """A copy, and one from a pickle, lacks the same fields and raises the same errors."""
    assert callable(copied)
    failure = SourceTimeout("Too late.", retry_after=2.0)
    department = basic(ADA, {"department.machines": failure}).department
    again = copied(department)
    assert again == department
    with pytest.raises(FieldNotLoaded, match=r'fields=\("department.location",\)'):
        _ = again.location
    with pytest.raises(SourceTimeout) as raised:
        _ = again.machines
    assert raised.value.retry_after == 2.0


def test_other_values() -> None:
    """A record with other fields still lacks those that were not replaced."""
    department = basic(ADA).department
    assert department is not None
    moved = replace(department, location=Location("l1", "Hall", "building"))
    assert moved.location is not None
    with pytest.raises(FieldNotLoaded, match=r"^Department\.machines was not loaded\.$"):
        _ = moved.machines


def test_a_page() -> None:
    """The records of a page are as they are alone, also with JSON in them; what is equal in them is converted once."""
    steps = Listed((ProductionStep("p1", "Cut", labor_rate={"amount": 1}),))
    shop = replace(
        DEPARTMENT, scanning_stations=Listed((ScanningStation("s1", "Gate", "fixed", production_steps=steps),))
    )
    users = (
        ADA,
        replace(ADA, source_id="u2", role=replace(ROLE)),
        replace(ADA, role=None),
        replace(ADA, department=shop),
    )
    page = all_as_loaded(users, read_plan_of_view("User", View.BASIC))
    assert page == tuple(map(basic, users))
    assert page[0].role is page[1].role
    assert "location" in message_of("department.location", page[1])
    assert "machines" in message_of("department.machines", page[3])
