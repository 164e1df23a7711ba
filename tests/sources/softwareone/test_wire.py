from typing import Any

import pytest

from gateway.sources.http.json import JsonDecoder
from gateway.sources.softwareone.wire import MarketplaceWireUser, MarketplaceWireUsers
from gateway.users import model
from gateway.users.model import UserStatus

BASE = "https://proxy.test/market"
DOCUMENT: dict[str, Any] = {
    "id": "USR-3758-7092",
    "revision": 3,
    "name": "John Doe",
    "firstName": "John",
    "lastName": "Doe",
    "email": "john@x.y",
    "status": "Active",
    "icon": "/v1/accounts/users/USR-3758-7092/icon",
    "phone": {"prefix": "+34", "number": "660707172"},
    "settings": {"cultureCode": "en-US", "languageCode": "en-GB", "timeZone": "x"},
    "lastLoginAt": "2026-02-02T10:00:00+00:00",
    "accounts": [{"id": "ACC-1", "type": "Client", "status": "Active", "name": "One", "icon": "/v1/i"}],
    "currentAccount": {"id": "ACC-1", "type": "Client", "status": "Active", "name": "One", "icon": "/v1/i"},
    "audit": {
        "created": {"at": "2025-07-03T03:25:17.211Z", "by": {"id": "TKN-1", "name": "T", "icon": "/v1/t"}},
        "updated": {"at": "2025-07-04T03:25:17.211Z", "by": {"id": "USR-1", "name": "U", "icon": "/v1/u"}},
        "invitationAcceptedAt": "2025-07-05T03:25:17.211Z",
    },
    "$meta": {"omitted": ["groups"]},
}


def user(document: Any) -> model.User:
    return JsonDecoder(MarketplaceWireUser).convert(document).record(BASE)


def test_all_fields() -> None:
    """Every field of a user becomes an attribute of the record; icons have absolute URLs."""
    found = user(DOCUMENT)
    assert (found.name, found.first_name, found.last_name, found.email) == ("John Doe", "John", "Doe", "john@x.y")
    assert found.image_url == f"{BASE}/public/v1/accounts/users/USR-3758-7092/icon"
    assert found.phone == model.PhoneNumber("+34", "660707172")
    assert found.settings == model.UserSettings("en-US", "en-GB")
    assert found.accounts == (found.current_account,)
    assert found.current_account == model.MarketplaceAccount("ACC-1", "One", "Client", "Active", f"{BASE}/public/v1/i")
    assert found.created_by == model.Actor("TKN-1", "T", f"{BASE}/public/v1/t")
    assert found.updated_by.source_id == "USR-1"
    assert (found.created_at, found.updated_at) == ("2025-07-03T03:25:17.211Z", "2025-07-04T03:25:17.211Z")
    assert found.invitation_accepted_at == "2025-07-05T03:25:17.211Z"
    assert found.last_active_at == "2026-02-02T10:00:00+00:00"
    assert found.omitted_fields == ("groups",)


def test_missing_fields(variants: Any) -> None:
    """A user is decoded although any field but its id is absent or null."""
    for replaced in (None, lambda _: None):
        for path, variant in variants(DOCUMENT, replaced):
            if path != "id":
                assert user(variant).source_id == DOCUMENT["id"], path


def test_wrong_types(variants: Any) -> None:
    """A field of another type than documented makes the user invalid."""
    for path, variant in variants(DOCUMENT, lambda value: {"x": 1} if isinstance(value, str) else 5):
        if path not in {"revision", "settings.timeZone"}:
            with pytest.raises(ValueError, match=" - at "):
                print(path, user(variant))  # noqa: T201 - shown if it fails


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *((text, UserStatus(text.lower())) for text in ("New", "Invited", "Active", "Blocked", "Disabled")),
        ("InvitationExpired", UserStatus.INVITATION_EXPIRED),
        ("Invitation expired", UserStatus.INVITATION_EXPIRED),
        ("Deleted", UserStatus.REMOVED),
        ("Dormant", None),
        ("", None),
        (None, None),
    ],
)
def test_status(text: str | None, status: UserStatus | None) -> None:
    """A status is read in any spelling; an unknown one is kept as the text of the source."""
    found = user({"id": "USR-1", "status": text})
    assert (found.status, found.source_status) == (status, text)


@pytest.mark.parametrize(
    ("icon", "url"),
    [
        ("/v1/x/icon", f"{BASE}/public/v1/x/icon"),
        ("v1/x/icon", f"{BASE}/public/v1/x/icon"),
        ("/public/v1/x/icon", f"{BASE}/public/v1/x/icon"),
        ("https://cdn.test/i.png", "https://cdn.test/i.png"),
        ("", None),
        (None, None),
    ],
)
def test_icon(icon: str | None, url: str | None) -> None:
    """The URL of an icon is absolute, whatever form the source sends."""
    assert user({"id": "USR-1", "icon": icon}).image_url == url


@pytest.mark.parametrize(
    ("fields", "omitted"),
    [
        ({}, ("audit",)),
        ({"$meta": {}}, ("audit",)),
        ({"$meta": {"omitted": None}}, ("audit",)),
        ({"$meta": {"omitted": []}}, ()),
        ({"$meta": {"omitted": ["x"]}}, ("x",)),
    ],
)
def test_list(fields: Any, omitted: tuple[str, ...]) -> None:
    """The fields that a list omitted are omitted of each user, unless the user has its list of them."""
    page = JsonDecoder(MarketplaceWireUsers).convert(
        {
            "$meta": {"pagination": {"offset": 0, "limit": 10, "total": None}, "omitted": ["audit"]},
            "data": [{"id": "USR-1"} | fields],
        }
    )
    [row] = page.data
    assert row.record(BASE, tuple(page.meta.omitted)).omitted_fields == omitted
