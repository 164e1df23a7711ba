import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput
from gateway.users.changes import (
    Change,
    CreateAccountUser,
    PhoneNumberChange,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
    read_change,
)
from gateway.users.icons import Icon

GOOD = "Secret_12"
SCANNER = {"username": "scan-1", "password": GOOD}
NULL = "must not be null"
EMAIL = "must be an e-mail address"
USERNAME = "must be 3 to 255 letters, digits, underscores or hyphens"
CLASSES = "must have an uppercase letter, a lowercase letter, a digit and a special character"
EITHER = "is required unless username is given"
NEEDED = "is required for a scanning-station user (username without email)"
SURPLUS = "is only for scanning-station users (username without email)"
TYPES = "must be one of invoice, order_acknowledgement, purchase_order_submission"


def broken(kind: type[Change], fields: Any) -> dict[str, str]:
    """Return the violations: dotted path to message."""
    with pytest.raises(BadUserInput) as caught:
        read_change(kind, fields)
    assert all(v.path[0] == "change" for v in caught.value.violations)
    assert all(v.message in caught.value.message for v in caught.value.violations)
    return {".".join(map(str, v.path[1:])): v.message for v in caught.value.violations}


CREATE: list[tuple[Mapping[str, Any], Mapping[str, str]]] = [
    ({}, {"email": EITHER}),
    ({"name": "A"}, {"email": EITHER}),
    ({"name": "n" * 256, "email": "a@b.c"}, {"name": "must have at most 255 characters"}),
    ({"email": "nobody"}, {"email": EMAIL}),
    ({"email": "a@b@c"}, {"email": EMAIL}),
    ({"email": "a b@c"}, {"email": EMAIL}),
    ({"email": f"{'a' * 250}@b.example"}, {"email": "must have at most 255 characters"}),
    ({"email": None}, {"email": NULL}),
    ({"email": 5}, {"email": "must be a string"}),
    ({"username": "ab", "password": GOOD}, {"username": USERNAME}),
    ({"username": "u" * 256, "password": GOOD}, {"username": USERNAME}),
    ({"username": "a.b", "password": GOOD}, {"username": USERNAME}),
    ({"username": "ångström", "password": GOOD}, {"username": USERNAME}),
    ({"username": "abc\n", "password": GOOD}, {"username": USERNAME}),
    ({"username": "scan-1"}, {"password": NEEDED}),
    ({"username": "scan-1", "password": None}, {"password": NULL}),
    ({"email": "a@b.c", "password": GOOD}, {"password": SURPLUS}),
    ({"email": "a@b.c", "username": "scan-1", "password": GOOD}, {"password": SURPLUS}),
    (SCANNER | {"password": "Aa1_567"}, {"password": "must have at least 8 characters"}),
    (SCANNER | {"password": "Aa1_" + "x" * 69}, {"password": "must have at most 72 characters"}),
    *((SCANNER | {"password": weak}, {"password": CLASSES}) for weak in ("secret_12", "SECRET_12", "Secret_xx")),
    (SCANNER | {"password": "Secret123"}, {"password": CLASSES}),
    (SCANNER | {"password": "Secret 12"}, {"password": CLASSES}),
    (SCANNER | {"role_id": None, "department_id": None}, {"role_id": NULL, "department_id": NULL}),
    (SCANNER | {"role_id": ""}, {"role_id": "must have at least 1 character"}),
    (SCANNER | {"nmae": "x"}, {"nmae": "is not a field of this change"}),
    (
        SCANNER | {"preferences": [{"notification_type": "fax", "enabled": "yes"}, {"enabled": None}]},
        {
            "preferences.0.notification_type": TYPES,
            "preferences.0.enabled": "must be true or false",
            "preferences.1.notification_type": "is required",
            "preferences.1.enabled": NULL,
        },
    ),
    (
        {"name": 1, "email": "x", "username": "?", "password": "short", "role_id": "", "extra": 1},
        {
            "name": "must be a string",
            "email": EMAIL,
            "username": USERNAME,
            "password": "must have at least 8 characters",
            "role_id": "must have at least 1 character",
            "extra": "is not a field of this change",
        },
    ),
    ({"name": 1, "username": "scan-1"}, {"name": "must be a string", "password": NEEDED}),
]


@pytest.mark.parametrize(("fields", "expected"), CREATE)
def test_create_account_user(fields: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    """Every rule of the source for a new user is checked, and all broken ones are reported at once."""
    assert broken(CreateAccountUser, fields) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "a@b"},
        {"email": "a@b.c", "username": "abc", "name": "", "role_id": "rl_1", "department_id": "dp_1"},
        SCANNER,
        {"username": "a-B_9" + "x" * 250, "password": "Aa1" + "é" * 69},
        {"email": f"{'a' * 246}@b.exampl", "name": "n" * 255},
        SCANNER | {"preferences": [{"notification_type": "invoice", "enabled": False}]},
    ],
)
def test_create_accepts(fields: Mapping[str, Any]) -> None:
    """Values at the limits of every rule are accepted."""
    assert CreateAccountUser.parse(fields).given().keys() == fields.keys()


UPDATES: list[tuple[type[Change], Mapping[str, Any], Mapping[str, str]]] = [
    (UpdateAccountUser, dict.fromkeys(("name", "email", "username")), {"name": NULL, "email": NULL, "username": NULL}),
    (UpdateAccountUser, {"preferences": None}, {"preferences": NULL}),
    (UpdateAccountUser, {"name": " \t"}, {"name": "must not be blank"}),
    (UpdateAccountUser, {"email": "", "username": ""}, {"email": EMAIL, "username": USERNAME}),
    (UpdateAccountUser, {"password": GOOD}, {"password": "is not a field of this change"}),
    (UpdateAccountUser, {"role_id": "", "department_id": 7}, {
        "role_id": "must have at least 1 character", "department_id": "must be a string"}),
    (UpdateAccountUser, {"name": "\ud800"}, {
        "name": "must be a string of Unicode characters"}),
    (UpdateSoftwareOneUser, {"first_name": "", "email": "x", "phone": {"prefix": "+1"}}, {
        "first_name": "must have at least 1 character", "email": EMAIL, "phone.number": "is required"}),
    (UpdateSoftwareOneUser, {"settings": {"culture_code": 1, "zone": "x"}}, {
        "settings.culture_code": "must be a string", "settings.zone": "is not a field of this change"}),
    (UpdateSoftwareOneUser, {"phone": {"prefix": None, "number": "1"}}, {"phone.prefix": NULL}),
    (UpdateResellerUser, dict.fromkeys(UpdateResellerUser.model_fields), dict.fromkeys(
        UpdateResellerUser.model_fields, NULL)),
    (UpdateResellerUser, {"first_name": "", "role": "", "last_name": "x" * 257, "company": "x" * 257}, {
        "first_name": "must have at least 1 character",
        "role": "must have at least 1 character",
        "last_name": "must have at most 256 characters",
        "company": "must have at most 256 characters"}),
    (UpdateResellerUser, {"email": "", "organization_id": "x" * 257, "allow_customer_portal_access": "true"}, {
        "email": EMAIL,
        "organization_id": "must have at most 256 characters",
        "allow_customer_portal_access": "must be true or false"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "expected"), UPDATES)
def test_updates(kind: type[Change], fields: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    """Every rule of the three updates is checked, all at once; null is an error except where it clears a field."""
    assert broken(kind, fields) == expected


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (UpdateAccountUser, {"role_id": None, "department_id": None}),
        (UpdateSoftwareOneUser, dict.fromkeys(UpdateSoftwareOneUser.model_fields.keys() - {"icon"})),
        (UpdateResellerUser, {"last_name": "", "company": "", "organization_id": ""}),
    ],
)
def test_clearing(kind: type[Change], fields: Mapping[str, Any]) -> None:
    """A value that clears a field is kept as the caller gave it."""
    assert kind.parse(fields).given() == fields


VALUES: Mapping[type[Change], Mapping[str, Any]] = {
    CreateAccountUser: {"name": "A", "role_id": "rl_1", "department_id": "dp_1", "preferences": []},
    UpdateAccountUser: {
        "name": "A",
        "email": "a@b.c",
        "username": "abc",
        "role_id": None,
        "department_id": "dp_1",
        "preferences": [],
    },
    UpdateSoftwareOneUser: {"first_name": "A", "last_name": None, "email": "a@b.c", "current_account_id": "ACC-1"},
    UpdateResellerUser: {
        "first_name": "A",
        "last_name": "",
        "email": "a@b.c",
        "role": "user",
        "company": "",
        "organization_id": "o",
        "allow_customer_portal_access": False,
    },
}


RULES: list[tuple[type[Change], Mapping[str, Any], Mapping[str, tuple[str, Mapping[str, Any]]]]] = [
    (CreateAccountUser, {}, {"email": ("required", {})}),
    (CreateAccountUser, {"email": "a@b.c", "password": GOOD}, {"password": ("notAllowed", {})}),
    (UpdateAccountUser, {"name": None, "emial": "x"}, {"name": ("notNull", {}), "emial": ("unknown", {})}),
    (UpdateAccountUser, {"name": 1, "email": "x", "role_id": ""}, {
        "name": ("type", {"type": "string"}),
        "email": ("format", {"format": "email"}),
        "role_id": ("minLength", {"min": 1})}),
    (UpdateAccountUser, {"name": "x" * 256, "preferences": {}}, {
        "name": ("maxLength", {"max": 255}), "preferences": ("type", {"type": "list"})}),
    (UpdateAccountUser, {"preferences": [{"notification_type": "fax", "enabled": 1}, 1]}, {
        "preferences.0.notification_type": (
            "enum", {"values": ["invoice", "order_acknowledgement", "purchase_order_submission"]}),
        "preferences.0.enabled": ("type", {"type": "boolean"}),
        "preferences.1": ("type", {"type": "object"})}),
    (UpdateSoftwareOneUser, {"icon": {"content": b"x", "content_type": "x"}, "phone": {"number": "1"}}, {
        "icon.content_type": ("format", {"format": "mediaType"}), "phone.prefix": ("required", {})}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "expected"), RULES)
def test_rules(kind: type[Change], fields: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Each violation has its rule and the bounds of that, for programs."""
    with pytest.raises(BadUserInput) as caught:
        read_change(kind, fields)
    found = {".".join(map(str, v.path[1:])): (v.rule.value, dict(v.bounds)) for v in caught.value.violations}
    assert found == expected


@pytest.mark.parametrize(
    ("fields", "good", "bad"),
    [
        ({"username": "a b", "password": GOOD}, ["abc", "a-B_9"], ["ab", "a b", "é" * 3]),
        ({"username": "abc", "password": "password1"}, [GOOD, "é" + GOOD, "\n" + GOOD], ["Secret12", "secret_12"]),
    ],
)
def test_patterns_for_clients(fields: Mapping[str, Any], good: list[str], bad: list[str]) -> None:
    """The pattern of a violation, searched in a value as a browser does it, finds what the gateway accepts."""
    with pytest.raises(BadUserInput) as caught:
        CreateAccountUser.parse(fields)
    [violation] = caught.value.violations
    pattern = re.compile(str(violation.bounds["pattern"]), re.ASCII)
    assert [bool(pattern.search(value)) for value in good + bad] == [True] * len(good) + [False] * len(bad)


@pytest.mark.parametrize("construct", [UpdateAccountUser.parse, lambda fields: UpdateAccountUser(**fields)])
def test_paths_of_a_program(construct: Callable[[Mapping[str, Any]], object]) -> None:
    """A program that constructs a change gets the violations by the names of its fields."""
    with pytest.raises(BadUserInput) as caught:
        construct({"name": "", "preferences": [{"enabled": True}], "emial": "a@b.c"})
    found = sorted(".".join(map(str, violation.path)) for violation in caught.value.violations)
    assert found == ["emial", "name", "preferences.0.notification_type"]


@given(st.data())
def test_three_states(data: st.DataObject) -> None:
    """A change has exactly the given fields, with their values, whatever the type of the mapping."""
    kind = data.draw(st.sampled_from(list(VALUES)))
    names = data.draw(st.sets(st.sampled_from(list(VALUES[kind]))))
    fields = {name: VALUES[kind][name] for name in names}
    if kind is CreateAccountUser:
        fields |= {"email": "a@b.c"}
    assert kind.parse(fields).given() == fields
    assert kind.parse(MappingProxyType(fields)).given() == fields
    assert kind.parse(kind.parse(fields)).given() == fields


@pytest.mark.parametrize("kind", [*VALUES])
@pytest.mark.parametrize("fields", [None, 5, "x", [("email", "a@b.c")], object()])
def test_no_change(kind: type[Change], fields: object) -> None:
    """A value that is not a mapping is refused."""
    assert set(broken(kind, fields)) == {""}


def test_change_of_another_source() -> None:
    """The change of another source is refused, because its absent fields would count as given."""
    assert set(broken(UpdateAccountUser, UpdateResellerUser(company="x"))) == {""}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("logo.png", "logo.png"),
        ("C:\\pictures\\my logo.png", "my logo.png"),
        ("../../etc/passwd", "passwd"),
        ('a"b\r\nX-Evil: 1\x00.png', "abX-Evil: 1.png"),
        ("naïve 写真.png", "naïve 写真.png"),
        ("", "icon"),
        ("dir/", "icon"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
    ],
)
def test_icon_file_name(name: str, kept: str) -> None:
    """The file name of an icon is the last part of the path, without characters that could end a header."""
    assert Icon(content=b"x", filename=name).filename == kept


@pytest.mark.parametrize("text", ["png", "image/png\r\nX: 1", "image/png\n", "", "image/", 'image/p"ng'])
def test_icon_type(text: str) -> None:
    """The content type of an icon is a media type, without characters that could end a header."""
    assert set(broken(UpdateSoftwareOneUser, {"icon": {"content": b"x", "content_type": text}})) == {
        "icon.content_type"
    }


def test_repr_keeps_pictures_out() -> None:
    """The repr of an icon does not contain its bytes, so no log does."""
    assert "PNG" not in repr(Icon(content=b"\x89PNG"))


@pytest.mark.parametrize(
    ("build", "paths"),
    [
        (lambda: UpdateAccountUser(name=" "), [("name",)]),
        (lambda: CreateAccountUser(name="n" * 256, email="x"), [("name",), ("email",)]),
        (lambda: CreateAccountUser(name="Ada"), [("email",)]),
        (
            lambda: UpdateAccountUser(preferences=[{"notification_type": "fax", "enabled": 1}]),
            [("preferences", 0, "notification_type"), ("preferences", 0, "enabled")],
        ),
        (lambda: PhoneNumberChange(prefix="+34", number="1" * 16), [("number",)]),
        (lambda: Icon(content=b"x", content_type="png"), [("content_type",)]),
        (lambda: UpdateResellerUser(nmae="x"), [("nmae",)]),
    ],
)
def test_built_directly(build: Callable[[], object], paths: list[tuple[str | int, ...]]) -> None:
    """The class raises BadUserInput with all broken rules, by the names of its arguments."""
    with pytest.raises(BadUserInput) as refused:
        build()
    assert [violation.path for violation in refused.value.violations] == paths


def test_changes_in_changes() -> None:
    """A change may contain models, or mappings of their fields; these are validated alike."""
    phone = PhoneNumberChange(prefix="+34", number="5")
    assert UpdateSoftwareOneUser(phone=phone) == UpdateSoftwareOneUser.parse(
        {"phone": {"prefix": "+34", "number": "5"}}
    )
    assert broken(UpdateSoftwareOneUser, {"phone": {"prefix": "+34"}, "settings": {"culture_code": "toolong"}}) == {
        "phone.number": "is required",
        "settings.culture_code": "must have at most 5 characters",
    }
