from typing import Any

import orjson
import pytest

from gateway.errors import SourceInvalidResponse
from gateway.sources.account.client import _USER
from gateway.sources.account.departments import AccountWireDepartment
from gateway.sources.account.wire import AccountWireRole
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import Shape, read
from gateway.users import model
from gateway.users.model import OwnerType, RoleOwner, RoleType, UserSource, UserStatus

TIME = {"created_at": "2026-05-10T00:00:00Z", "updated_at": "2026-05-10T00:23:00.1234567Z"}
GEO = {"id": "ge_1", "street_line_1": "1 Main St", "street_line_2": "B", "locality": "Ogden", "state": "UT"} | TIME
ADDRESS = {
    "id": "ad_1",
    "name": "HQ",
    "phone": "1",
    "email": "hq@x.y",
    "is_drop_ship": False,
    "geolocation": GEO,
} | TIME
BRANDING = {"id": "br_1", "support_email": "s@x.y", "logo_url": "/l", "twitter_handle": "x"} | TIME
OWNER = {
    "object": "owner",
    "type": "account",
    "account": {
        "id": "ac_1",
        "object": "account",
        "name": "Acme",
        "default_billing_address": ADDRESS,
        "default_shipping_address": ADDRESS,
        "branding": BRANDING,
        "portal": {"id": "po_1", "slug": "acme"} | TIME,
    }
    | TIME,
}
ROLE = {"id": "rl_1", "name": "Admin", "type": "admin", "owner": OWNER, "permissions": ["team:read"]} | TIME
STEP = {
    "id": "ps_1",
    "name": "Cut",
    "leveling_factor": "1.0",
    "labor_rate": {"amount": "2"},
    "in_steps": [{"id": "ps_0"}],
}
STATION = {
    "id": "ss_1",
    "name": "S",
    "type": "init_batch",
    "label_size": "1x1",
    "material_check_required": True,
    "department": {"id": "dp_1"},
    "production_steps": {"page_info": {"has_next_page": True}, "data": [STEP]},
} | TIME
DEPARTMENT = {
    "id": "dp_1",
    "name": "Shop",
    "notes": "n",
    "location": {"id": "lc_1", "name": "B", "type": "rack", "parent": {"id": "lc_0", "name": "A", "type": "aisle"}}
    | TIME,
    "scanning_stations": {"page_info": {"has_next_page": False, "has_prev_page": True}, "data": [STATION]},
    "machines": [{"id": "ma_1", "name": "M", "serial_number": "7", "department": None} | TIME],
    "labor_rate": None,
} | TIME
COMMON = {
    "id": "acus_1",
    "object": "account_user",
    "status": "active",
    "role": ROLE,
    "department": DEPARTMENT,
    "last_used_at": None,
} | TIME
PERSON = {"name": "Ada", "email": "ada@x.y", "username": "ada", "image_url": "/i"}
CURRENT = COMMON | {"user": {"id": "us_1", "email_verified_at": TIME["created_at"], **PERSON, **TIME}}
APRIL = COMMON | PERSON


def user(document: dict[str, Any]) -> model.User:
    return _USER.of(document).record()


def test_both_profiles() -> None:
    """The profile is read where it is: nested in the current version, flat in April's, a reference in between."""
    current, april = user(CURRENT), user(APRIL)
    between = user(APRIL | {"user": {"id": "us_1", "object": "entity", "type": "user", "handle": "ada@x.y"}})
    for one in (current, april, between):
        assert {name: getattr(one, name) for name in PERSON} == PERSON
    assert current.email_verified_at == TIME["created_at"]
    assert user(COMMON | {"user": None}).email is None


def test_whole_user() -> None:
    """Every field of a user's document is where the model has it, times to their last digit."""
    found = user(CURRENT)
    assert (found.source, found.source_id, found.tenant) == (UserSource.ACCOUNT, "acus_1", "")
    assert (found.created_at, found.updated_at, found.last_active_at) == (TIME["created_at"], TIME["updated_at"], None)
    role, department = found.role, found.department
    assert role is not None
    assert role.permissions == ("team:read",)
    assert role.loaded == {"owner", "owner.account", "permissions"}
    assert role.owner.account.default_billing_address.geolocation.street_line1 == "1 Main St"
    assert role.owner.account.default_billing_address.is_drop_ship is False
    assert role.owner.account.portal.slug == "acme"
    assert department.loaded == {"location", "scanning_stations", "machines"}
    assert department.location.parent.name == "A"
    assert department.scanning_stations.has_previous_page
    [station] = department.scanning_stations.nodes
    assert station.material_check_required
    assert station.production_steps.has_next_page
    assert station.production_steps.nodes[0].in_steps[0].source_id == "ps_0"
    assert department.machines.nodes[0].serial_number == "7"


@pytest.mark.parametrize("document", [CURRENT, APRIL], ids=["current", "april"])
def test_nothing_missing_breaks(variants: Any, document: Any) -> None:
    """A document without one of its fields, or with null there, is read; only the user's own id has to be there."""
    for replaced in (None, lambda _: None):
        for path, variant in variants(document, replaced):
            if path == "id":
                continue
            assert user(variant).source_id == "acus_1", path


def test_nothing_new_breaks(variants: Any) -> None:
    """Fields that are not known are passed over wherever they are."""

    def more(value: Any) -> Any:
        return value | {"new": {"x": [1]}} if isinstance(value, dict) else value

    for path, variant in variants(CURRENT, more):
        if not KEPT & set(path.split(".")):
            assert user(variant | {"is_commission_eligible": None}) == user(CURRENT), path


# Kept as the source's JSON, and not read at all.
KEPT = {"labor_rate"}
UNREAD = {"object", "user.id", "user.created_at", "user.updated_at", "role.owner.object", "role.owner.account.object"}


def test_wrong_types(variants: Any) -> None:
    """A field of another type than documented is the source's fault, never a crash."""

    def another(value: Any) -> Any:
        return {"x": 1} if isinstance(value, str | bool) else 5

    for path, variant in variants(CURRENT, another):
        if path in UNREAD or KEPT & set(path.split(".")):
            continue
        answer = Response(200, {}, orjson.dumps(variant))
        with pytest.raises(SourceInvalidResponse):
            print(path, read(_USER, Request("account", "GET", "u", "/x"), answer))  # noqa: T201 - tells which


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("active", UserStatus.ACTIVE),
        ("disabled", UserStatus.DISABLED),
        ("removed", UserStatus.REMOVED),
        ("on_leave", None),
        ("", None),
        (None, None),
    ],
)
def test_status(word: str | None, status: UserStatus | None) -> None:
    """A status that is not known is kept in the source's word, never an error."""
    found = user({"id": "u", "status": word})
    assert (found.status, found.source_status) == (status, word)


@pytest.mark.parametrize("word", [*map(str, RoleType), "viewer", None])
def test_role_type(word: str | None) -> None:
    """A kind of role that is not known is kept in the source's word."""
    found = AccountWireRole(id="r", name="R", type=word).record()
    assert found.source_type == word
    assert found.type == (word if word in set(RoleType) else None)


@pytest.mark.parametrize(
    ("sent", "included", "permissions", "loaded"),
    [
        (None, set(), None, set()),
        (None, {"permissions"}, (), {"permissions"}),
        ([], set(), (), {"permissions"}),
        (["team:read"], set(), ("team:read",), {"permissions"}),
        (["team:read"], {"permissions"}, ("team:read",), {"permissions"}),
    ],
)
def test_permissions(sent: Any, included: set[str], permissions: Any, loaded: set[str]) -> None:
    """Null permissions mean none where they were included, and otherwise that they were not sent (account.md, 3.2)."""
    found = AccountWireRole(id="r", permissions=sent).record(frozenset(included))
    assert (found.permissions, found.loaded) == (permissions, loaded)


@pytest.mark.parametrize(
    ("sent", "owner", "loaded"),
    [
        (None, None, set()),
        ({"type": "system", "account": None}, RoleOwner(OwnerType.SYSTEM), {"owner", "owner.account"}),
        ({"type": "account", "account": None}, RoleOwner(OwnerType.ACCOUNT), {"owner"}),
        ({"type": "partner", "account": None}, RoleOwner(OwnerType.SYSTEM), {"owner"}),
        (
            {"type": "account", "account": {"id": "a", "name": "A"}},
            RoleOwner(OwnerType.ACCOUNT, model.Account("a", "A")),
            {"owner", "owner.account"},
        ),
    ],
)
def test_owner(sent: Any, owner: Any, loaded: set[str]) -> None:
    """An owner that is the platform has no account to look up; an account that was not included has."""
    found = Shape(AccountWireRole).of({"id": "r", "owner": sent}).record()
    assert (found.owner, found.loaded) == (owner, loaded)


@pytest.mark.parametrize(
    ("sent", "required"),
    [
        ({"material_check_required": True}, True),
        ({"material_check_required": False, "operator_requirement": "material_check"}, False),
        ({"operator_requirement": "material_check"}, True),
        ({"operator_requirement": "none"}, False),
        ({"operator_requirement": None}, None),
        ({}, None),
    ],
)
def test_material_check(sent: Any, required: bool | None) -> None:  # noqa: FBT001 - a table's column
    """Whether material is checked is read in both versions' words."""
    document = {"id": "d", "scanning_stations": [{"id": "s", **sent}]}
    [station] = Shape(AccountWireDepartment).of(document).record().scanning_stations.nodes
    assert station.material_check_required is required


def test_bare_department() -> None:
    """A department that arrived as its id alone has nothing that can be trusted but that."""
    found = AccountWireDepartment(id="dp_1").record()
    assert (found.name, found.loaded) == (None, frozenset())
    assert AccountWireDepartment(id="dp_1").record(frozenset({"location"})).loaded == {"location"}


def test_user_without_id() -> None:
    """A user without an id is no user."""
    with pytest.raises(ValueError, match="id"):
        _USER.of({"name": "Ada"})
