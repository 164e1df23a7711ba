import re
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from gateway.errors import SourceInvalidResponse
from gateway.sources.account.departments import (
    AccountWireDepartment,
    AccountWireLocation,
    AccountWireProductionStep,
)
from gateway.sources.account.listing import AccountListing
from gateway.sources.account.wire import USER_DECODER, USER_LIST_DECODER, AccountWireRole, AccountWireUser
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import FoundByBytes, JsonDecoder, Times, decode_response
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
PREVIEW_1 = COMMON | PERSON


DOCUMENTED = JsonDecoder(AccountWireUser)
DOCUMENTED_LIST = JsonDecoder(AccountListing[AccountWireUser])


def user(document: dict[str, Any]) -> model.User:
    """Return the user, decoded alone and in a list, by the fast and by the documented type."""
    found = USER_DECODER.decode(orjson.dumps(document))
    assert found == DOCUMENTED.convert(document).record()
    assert USER_LIST_DECODER.decode(orjson.dumps({"data": [document, document]})).items == (found, found)
    return found


def test_both_profiles() -> None:
    """The profile is read from `user` in the current form, from the account user in the form of preview.1."""
    current, preview_1 = user(CURRENT), user(PREVIEW_1)
    between = user(PREVIEW_1 | {"user": {"id": "us_1", "object": "entity", "type": "user", "handle": "ada@x.y"}})
    for found in (current, preview_1, between):
        assert {name: getattr(found, name) for name in PERSON} == PERSON
    assert current.email_verified_at == TIME["created_at"]
    assert user(COMMON | {"user": None}).email is None


def test_all_fields() -> None:
    """Every field of a user becomes an attribute of the record; times keep all their digits."""
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
    whole = {"notes", "created_at", "updated_at"}
    assert department.loaded == whole | {"location", "scanning_stations", "machines"}
    assert department.location.parent.name == "A"
    assert department.location.loaded == {"parent", "created_at", "updated_at"}
    assert department.scanning_stations.has_previous_page
    [station] = department.scanning_stations.nodes
    assert station.material_check_required
    assert station.production_steps.has_next_page
    assert station.production_steps.nodes[0].in_steps[0].source_id == "ps_0"
    assert department.machines.nodes[0].serial_number == "7"
    assert found.platform_user == model.PlatformUser("us_1", TIME["created_at"], TIME["updated_at"])


def test_lists_inside_records() -> None:
    """The cursors of a list inside a record are read in both forms: as they are, and out of URLs."""
    flags = {"has_next_page": True, "has_prev_page": True}
    cursors = {"next_cursor": "n", "prev_cursor": "p"}
    urls = {"next_page_url": "/v1/x?cursor=n%2B&limit=1", "previous_page_url": "/v1/x?limit=1&cursor=p%3D"}
    for info, expected in ((flags | cursors, ("n", "p")), (flags | urls, ("n+", "p=")), (flags, (None, None))):
        listing = {"object": "list", "page_info": info, "data": []}
        found = user(COMMON | {"department": DEPARTMENT | {"machines": listing}}).department.machines
        assert (found.next_cursor, found.previous_cursor) == expected


def test_records_inside_a_department() -> None:
    """Stations and machines are in the department that lists them, and steps are done at the station that does."""
    found = user(CURRENT).department
    [station], [machine] = found.scanning_stations.nodes, found.machines.nodes
    for inner in (station, machine):
        assert (inner.department.source_id, inner.department.name, inner.department.notes) == ("dp_1", "Shop", "n")
        assert inner.department.loaded == {"notes", "created_at", "updated_at", "location"}
        assert inner.department.location == found.location
        assert "department" in inner.loaded
    [step] = station.production_steps.nodes
    assert (step.scanning_station.source_id, step.scanning_station.label_size) == ("ss_1", "1x1")
    assert step.loaded == {"leveling_factor", "labor_rate", "in_steps", "scanning_station"}


def test_another_department_than_the_one_around() -> None:
    """What the source sent of another record is kept."""
    machine = {"id": "ma_1", "name": "M", "department": {"id": "dp_2", "name": "Other"}}
    found = user(COMMON | {"department": DEPARTMENT | {"machines": [machine]}}).department.machines.nodes[0]
    assert (found.department.source_id, found.department.loaded) == ("dp_2", frozenset())


def test_the_department_of_a_step_of_april() -> None:
    """A step that names the department around its station by the id only has what is known of that department."""
    steps = [STEP | {"department": {"id": department_id}} for department_id in ("dp_1", "dp_2")]
    station = {"id": "ss_1", "name": "S", "type": "init_batch", "production_steps": {"data": [*steps, STEP]}}
    found = user(COMMON | {"department": DEPARTMENT | {"scanning_stations": {"data": [station]}}}).department
    inside, elsewhere, unknown = found.scanning_stations.nodes[0].production_steps.nodes
    assert (inside.department.name, inside.department.location) == (found.name, found.location)
    assert (elsewhere.department.source_id, elsewhere.department.name) == ("dp_2", None)
    assert unknown.department is None
    assert "department" not in unknown.loaded


def test_short_locations() -> None:
    """Of a parent and of children only id, name and type count as known; the zero time of Go is no time."""
    zero = {"created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z"}
    short = {"id": "lc_0", "name": "A", "type": "building", "parent": None, "children": None} | zero
    child = short | {"id": "lc_2"}
    document = short | TIME | {"id": "lc_1", "parent": short, "children": {"object": "list", "data": [child]}}
    found = JsonDecoder(AccountWireLocation).convert(document).record(frozenset({"parent", "children"}))
    assert found.loaded == {"parent", "children", "created_at", "updated_at"}
    assert (found.parent.created_at, found.parent.loaded) == (None, frozenset())
    [inner] = found.children.nodes
    assert (inner.loaded, inner.parent.source_id, inner.parent.created_at) == ({"parent"}, "lc_1", TIME["created_at"])
    assert inner.parent.loaded == {"parent", "created_at", "updated_at"}  # its children are known, but not in here


def test_step_of_april() -> None:
    """A whole step inside a station, as in April 2026, has nothing to look up; a short one has."""
    whole = STEP | {"consumptions": [], "machines": [], "out_steps": [], "department": {"id": "dp_1"}}
    found = JsonDecoder(AccountWireProductionStep).convert(whole).record()
    assert found.loaded >= {"notes", "labor_time", "consumptions", "production", "department", "out_steps"}
    assert found.in_steps[0].loaded == frozenset()


@pytest.mark.parametrize("document", [CURRENT, PREVIEW_1], ids=["current", "preview.1"])
def test_missing_fields(variants: Any, document: Any) -> None:
    """A user is decoded although any field but its id is absent or null."""
    for replaced in (None, lambda _: None):
        for path, variant in variants(document, replaced):
            if path == "id":
                continue
            assert user(variant).source_id == "acus_1", path


def test_unknown_fields(variants: Any) -> None:
    """Unknown fields are ignored at every level."""

    def with_new_field(value: Any) -> Any:
        return value | {"new": {"x": [1]}} if isinstance(value, dict) else value

    for path, variant in variants(CURRENT, with_new_field):
        if not UNDOCUMENTED & set(path.split(".")):
            assert user(variant | {"is_commission_eligible": None}) == user(CURRENT), path


# Fields that are kept as JSON, and fields that are not decoded.
UNDOCUMENTED = {"labor_rate"}
UNREAD = {"object", "role.owner.object", "role.owner.account.object"}


def test_wrong_types(variants: Any) -> None:
    """A field of another type than documented is reported as an invalid response."""

    def another(value: Any) -> Any:
        return {"x": 1} if isinstance(value, str | bool) else 5

    for path, variant in variants(CURRENT, another):
        if path in UNREAD or UNDOCUMENTED & set(path.split(".")):
            continue
        response = Response(200, {}, orjson.dumps(variant))
        with pytest.raises(SourceInvalidResponse):
            print(path, decode_response(USER_DECODER, Request("account", "GET", "u", "/x"), response))  # noqa: T201 - shown if it fails
        listing = orjson.dumps({"data": [CURRENT, variant, {"id": 5}]})
        for fast, documented, body in (
            (USER_DECODER, DOCUMENTED, response.body),
            (USER_LIST_DECODER, DOCUMENTED_LIST, listing),
        ):
            with pytest.raises(ValueError, match=r"\$") as expected:
                documented.decode(body)
            with pytest.raises(ValueError, match=re.escape(str(expected.value))):
                fast.decode(body)


@pytest.mark.parametrize(
    "alteration",
    [
        {"user": {"created_at": "yesterday"}},
        {"user": {"updated_at": 5}},
        {"last_used_at": ""},
        {"role": "Admin"},
        {"role": []},
        {"department": {"id": "dp_1", "location": {"id": 5}}},
    ],
)
def test_errors_of_the_documented_form(alteration: Any) -> None:
    """What is wrong in a role, a department or a time that is not used is reported by its path in the whole body."""
    body = orjson.dumps(CURRENT | alteration)
    with pytest.raises(ValueError, match=r"\$\.") as expected:
        DOCUMENTED.decode(body)
    with pytest.raises(ValueError, match=re.escape(str(expected.value))):
        USER_DECODER.decode(body)


def test_broken_text_in_a_role() -> None:
    """A role whose text is no UTF-8, or that is nested too deeply, makes the response invalid."""
    for broken in (b'{"name": "\xff"}', b'{"owner": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001):
        with pytest.raises(ValueError, match=r"utf|UTF|deeply"):
            USER_DECODER.decode(b'{"id": "acus_1", "role": ' + broken + b"}")


def test_records_found_by_their_bytes() -> None:
    """Equal bytes give one record, other bytes another one; not many are remembered, and no large ones."""
    made: list[bytes] = []

    def to_record(body: bytes) -> bytes:
        made.append(body)
        return body

    records, large = FoundByBytes(to_record), b"x" * 2000
    assert [records[b"a"], records[b"a"], records[b"b"], records[large], records[large]] == [
        b"a",
        b"a",
        b"b",
        large,
        large,
    ]
    assert made == [b"a", b"b", large, large]
    for number in range(10_000):
        assert records[str(number).encode()] == str(number).encode()
    assert len(records) < 5_000
    first, second = (user(COMMON | {"role": {"id": "r", "name": name}}).role for name in ("A", "B"))
    assert (first.name, second.name) == ("A", "B")


def test_known_times_are_bounded() -> None:
    """Not many times are remembered, and none with more digits than a clock has."""
    times, long = Times(), f"2026-05-10T00:00:00.{'1' * 5000}Z"
    assert times[long] == long
    for number in range(10_000):
        assert times[f"2026-05-10T00:00:00.{number}"] == f"2026-05-10T00:00:00.{number}Z"
    assert len(times) < 5_000
    assert long not in times


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("active", UserStatus.ACTIVE),
        ("disabled", UserStatus.DISABLED),
        ("removed", UserStatus.REMOVED),
        ("on_leave", None),
        ("", None),
        (None, None),
    ],
)
def test_status(text: str | None, status: UserStatus | None) -> None:
    """An unknown status is kept as the text of the source."""
    found = user({"id": "u", "status": text})
    assert (found.status, found.source_status) == (status, text)


@pytest.mark.parametrize("text", [*map(str, RoleType), "viewer", None])
def test_role_type(text: str | None) -> None:
    """An unknown role type is kept as the text of the source."""
    found = AccountWireRole(id="r", name="R", type=text).record()
    assert found.source_type == text
    assert found.type == (text if text in set(RoleType) else None)


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
    """Null permissions mean none if they were included, and otherwise that they were not sent."""
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
    """A role of the platform needs no lookup of the owning account; one of an account that was not included does."""
    found = JsonDecoder(AccountWireRole).convert({"id": "r", "owner": sent}).record()
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
    """Whether material is checked is read in the forms of both versions."""
    document = {"id": "d", "scanning_stations": [{"id": "s", **sent}]}
    [station] = JsonDecoder(AccountWireDepartment).convert(document).record().scanning_stations.nodes
    assert station.material_check_required is required


@pytest.mark.parametrize("included", [frozenset(), frozenset({"location"}), frozenset({"location", "notes"})])
@pytest.mark.parametrize("parent", [None, {"id": "lc_0", "name": "A", "type": "aisle"}])
def test_department_without_lists(included: frozenset[str], parent: Any) -> None:
    """A department without machines and its location are the same records as those of one with an empty list."""
    location = {"id": "lc_1", "name": "B", "type": "rack", "parent": parent} | TIME
    document = {"id": "dp_1", "name": "Shop", "location": location} | TIME
    without, empty = (
        JsonDecoder(AccountWireDepartment).convert(each).record(included)
        for each in (document, document | {"machines": []})
    )
    assert replace(without, loaded=frozenset()) == replace(empty, machines=None, loaded=frozenset())
    assert without.loaded | {"machines"} == empty.loaded
    assert without.loaded == {"notes", "created_at", "updated_at", "location"}
    assert without.location.loaded == {"created_at", "updated_at"} | ({"parent"} if parent else set())


def test_bare_department() -> None:
    """Of a department with nothing but an id, only requested fields count as loaded."""
    found = AccountWireDepartment(id="dp_1").record()
    assert (found.name, found.loaded) == (None, frozenset())
    assert AccountWireDepartment(id="dp_1").record(frozenset({"location"})).loaded == {"location"}


def test_user_without_id() -> None:
    """A user without an id is invalid."""
    with pytest.raises(ValueError, match="id"):
        user({"name": "Ada"})
