"""Reads: the returned fields, and the calls to sources."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from usergateway.v1 import users_pb2

ADA = {"id": "acus_adalovelace1", "source": users_pb2.USER_SOURCE_ACCOUNT}


def masked(*paths: str) -> dict[str, Any]:
    """Return a request for some fields of Ada."""
    return ADA | {"read_mask": FieldMask(paths=paths)}


async def test_a_user_of_each_source(world: Any) -> None:
    """A user of each source is read in one call; fields that the source does not have are unset."""
    account = await world.get("GetUser", **ADA)
    market = await world.get("GetUser", id="USR-0000-0001", source="USER_SOURCE_SOFTWAREONE")
    reseller = await world.get(
        "GetUser", id="00000000-0000-4000-8000-000000000001", source=users_pb2.USER_SOURCE_RESELLER
    )
    assert len(await world.calls()) == 3
    assert (account.role.type, account.department.name) == (users_pb2.ROLE_TYPE_ADMIN, "Assembly")
    assert not account.HasField("first_name")
    assert not account.HasField("accounts")
    assert market.HasField("accounts")
    assert market.settings.culture_code
    assert reseller.organization.source_id
    assert reseller.status == users_pb2.USER_STATUS_UNSPECIFIED
    again = await world.get("GetUser", id=reseller.id)
    assert again == reseller


@pytest.mark.parametrize(
    ("request_", "calls"),
    [
        (ADA, 1),
        (ADA | {"view": users_pb2.VIEW_BASIC}, 1),
        (ADA | {"view": users_pb2.VIEW_FULL}, 3),
        (masked("name", "role.name"), 1),
        (masked("role", "department"), 1),
        (masked("role.owner"), 2),
        (masked("role.*"), 2),
        (masked("role.permissions", "department.location.name"), 3),
        (masked("department.scanning_stations.nodes.production_steps.nodes.department.name"), 4),
        (masked("*"), 3),
    ],
)
async def test_the_view_decides_on_the_calls(world: Any, request_: dict[str, Any], calls: int) -> None:
    """A basic read is one call; each requested kind of lookups is one more."""
    await world.get("GetUser", **request_)
    assert len(await world.calls()) == calls


async def test_a_full_read_has_what_is_looked_up(world: Any) -> None:
    """The full view adds owner and permissions of the role, and location, stations and machines of the department."""
    user = await world.get("GetUser", **ADA, view=users_pb2.VIEW_FULL)
    assert user.role.owner.type == users_pb2.OWNER_TYPE_SYSTEM
    assert "team:read" in user.role.permissions.nodes
    assert user.department.location.type == "section"
    assert not user.department.location.HasField("parent")  # only a mask looks up what is inside
    station = user.department.scanning_stations.nodes[0]
    assert (station.department.name, station.HasField("production_steps")) == (user.department.name, False)
    assert user.department.machines.HasField("page_info")


async def test_a_mask_looks_up_what_is_inside(world: Any) -> None:
    """What the source leaves out of a department is looked up as far as a mask names it."""
    station = "department.scanning_stations.nodes"
    steps = f"{station}.production_steps.nodes"
    named = masked(f"{steps}.labor_rate", f"{steps}.in_steps", "department.location.parent.type", f"{station}.name")
    user = await world.get("GetUser", **named)
    assert user.department.location.parent.type == "building"
    first, second = user.department.scanning_stations.nodes[0].production_steps.nodes
    rates = [step.labor_rate.struct_value["value"] for step in (first, second) if step.HasField("labor_rate")]
    assert rates == ["26.40"]
    assert all(step.HasField("in_steps") for step in (first, second))
    assert sorted(len(step.in_steps.nodes) for step in (first, second)) == [0, 1]


async def test_a_mask_answers_what_it_names(world: Any) -> None:
    """With a read mask only its fields are returned, at any depth; `*` can stand for the items of a list."""
    named = masked("name", "role.owner.type", "department.machines.nodes.*.name")
    user = await world.get("GetUser", **named)
    assert {field.name for field, _ in user.ListFields()} == {"name", "role", "department"}
    assert {field.name for field, _ in user.role.ListFields()} == {"owner"}
    [machine] = user.department.machines.nodes
    assert {field.name for field, _ in machine.ListFields()} == {"name"}
    assert not user.department.machines.HasField("page_info")


async def test_a_mask_may_name_a_record_and_below_it(world: Any) -> None:
    """A mask with a record and a field below it returns the whole record, with the lookup of that field."""
    for paths in (("role", "role.permissions"), ("role.permissions", "role")):
        user = await world.get("GetUser", **masked(*paths))
        assert user.role.name == "Admin"
        assert user.role.permissions.nodes
        assert not user.role.HasField("owner")


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"read_mask": FieldMask(paths=["nope"])}, ("read_mask.paths[0]", "is not a field of User")),
        (
            {"read_mask": FieldMask(paths=["name", "name.first"])},
            ("read_mask.paths[1]", "is not a field of User"),
        ),
        ({"read_mask": FieldMask(paths=[""])}, ("read_mask.paths[0]", "is not a field of User")),
        (
            {"read_mask": FieldMask(paths=[".".join(["department.machines.nodes"] * 9)])},
            ("read_mask.paths[0]", "is not a field of User"),
        ),
        ({"read_mask": FieldMask(paths=["name"] * 201)}, ("read_mask", "may have 200 paths at most")),
        (
            {"read_mask": FieldMask(paths=["name"]), "view": 1},
            ("view", "must not be given together with read_mask"),
        ),
        ({"view": 7}, ("view", "must be VIEW_BASIC or VIEW_FULL")),
        ({"source": 9}, None),
    ],
)
async def test_what_cannot_be_read(world: Any, fields: dict[str, Any], violation: tuple[str, str] | None) -> None:
    """Unknown paths, a view together with a mask, and unknown enum values are violations, without a call."""
    failure = await world.fail("GetUser", **ADA | fields)
    assert failure.reason == "BAD_USER_INPUT"
    if violation:
        assert failure.violations == [violation]
    else:
        assert failure.violations[0][0] == "source"
    assert await world.calls() == []


async def test_roles_and_departments(world: Any) -> None:
    """A role and a department are returned whole by one call, or with the fields of a mask."""
    role = await world.get("GetRole", id="rl_admin0000000")
    assert role.permissions.nodes
    assert role.owner.type
    department = await world.get("GetDepartment", id="dp_assembly0000")
    assert department.location.name
    assert department.machines.nodes
    assert len(await world.calls()) == 2
    again = await world.get("GetRole", id=role.id, read_mask=FieldMask(paths=["name"]))
    assert again == users_pb2.Role(name=role.name)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GetUser", {"id": "nobody", "source": users_pb2.USER_SOURCE_ACCOUNT}),
        ("GetRole", {"id": "rl_none"}),
        ("GetDepartment", {"id": "dp_none"}),
    ],
)
async def test_a_missing_record(world: Any, method: str, fields: dict[str, Any]) -> None:
    """A record that does not exist is NOT_FOUND: a response cannot be null."""
    failure = await world.fail(method, **fields)
    assert (failure.status.name, failure.reason) == ("NOT_FOUND", "NOT_FOUND")


async def test_a_failed_lookup_fails_alone(world: Any) -> None:
    """If roles cannot be listed, the user is returned; a trailer has the paths of the missing fields with reasons."""
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=9)
    call = await world.call("GetUser", **ADA, view=users_pb2.VIEW_FULL)
    assert call.message.role.name == "Admin"
    assert not call.message.role.HasField("owner")
    assert call.message.department.location.name
    assert call.partial_errors == {"role.owner": "SOURCE_UNAVAILABLE", "role.permissions": "SOURCE_UNAVAILABLE"}
