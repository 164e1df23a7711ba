from typing import Any

import orjson
import pytest

from gateway.errors import BadUserInput, NotFound, Outcome, SourceInvalidResponse
from gateway.kit.blob import Blob
from gateway.settings import SoftwareOneSettings
from gateway.sources.softwareone import SoftwareOneSource
from gateway.users.changes import UpdateSoftwareOneUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource

URL = "https://market.test/public/v1/accounts/users/USR-0000-0001"
ADA = Ref(Kind.USER, UserSource.SOFTWAREONE, "USR-0000-0001")
KEEP = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n" + b'{"id":"USR-0000-0001"}'


@pytest.fixture
def market(source: Any) -> SoftwareOneSource:
    """The softwareone source over a transport in memory, with icons of at most 8 bytes."""
    return source(UserSource.SOFTWAREONE)


def parse(change: Any) -> UpdateSoftwareOneUser:
    return UpdateSoftwareOneUser.parse(change)


@pytest.mark.parametrize(
    ("needs", "query"),
    [
        (set(), ""),
        ({"profile", "role", "department"}, ""),
        ({"audit"}, "?select=audit"),
        ({"accounts", "audit"}, "?select=audit%2Caccounts"),
    ],
)
async def test_fetch_user(market: SoftwareOneSource, fake: Any, needs: set[str], query: str) -> None:
    """A user is fetched by one GET that selects the fields which would be omitted."""
    fake.respond({"id": "USR-0000-0001"})
    assert (await market.fetch_user(ADA, frozenset(needs))).source_id == "USR-0000-0001"
    [request] = fake.requests
    assert (request.method, request.url, request.body) == ("GET", URL + query, None)
    assert dict(request.headers) == {"Authorization": "Bearer s-token"}


async def test_fetch_user_by_address(market: SoftwareOneSource, fake: Any) -> None:
    """By an e-mail address the source returns few fields, so that the user is read again by its id."""
    fake.respond({"id": "USR-0000-0001", "email": "ada@b.c", "status": "Active"})
    fake.respond({"id": "USR-0000-0001", "email": "ada@b.c", "firstName": "Ada"})
    fake.respond({"status": 404, "title": "Not Found"}, 404)
    by_address = Ref(Kind.USER, UserSource.SOFTWAREONE, "ada@b.c")
    assert (await market.fetch_user(by_address, frozenset({"audit"}))).first_name == "Ada"
    assert await market.fetch_user(by_address, frozenset()) is None
    users = URL.rpartition("/")[0]
    addressed = f"{users}/ada%40b.c"
    assert [request.url for request in fake.requests] == [f"{addressed}?select=audit", f"{URL}?select=audit", addressed]


async def test_no_such_user(market: SoftwareOneSource, fake: Any) -> None:
    """Reading a user that does not exist returns None, and changing it raises NotFound."""
    fake.respond({"status": 404, "title": "Not Found"}, 404)
    assert await market.fetch_user(ADA, frozenset()) is None
    with pytest.raises(NotFound):
        await market.update_user(ADA, parse({"first_name": "A"}), "k")


@pytest.mark.parametrize(
    ("change", "user"),
    [
        ({}, {}),
        ({"first_name": "Ångström"}, {"firstName": "Ångström"}),
        ({"last_name": None, "email": "a@b.c"}, {"lastName": None, "email": "a@b.c"}),
        ({"phone": {"prefix": "+34", "number": "1"}}, {"phone": {"prefix": "+34", "number": "1"}}),
        ({"phone": None, "settings": None}, {"phone": None, "settings": None}),
        ({"settings": {"culture_code": "en-US"}}, {"settings": {"cultureCode": "en-US"}}),
        ({"settings": {"language_code": None}}, {"settings": {"languageCode": None}}),
        ({"current_account_id": "ACC-1"}, {"currentAccount": {"id": "ACC-1"}}),
        ({"current_account_id": None}, {"currentAccount": None}),
    ],
)
async def test_update(market: SoftwareOneSource, fake: Any, change: Any, user: Any) -> None:
    """A change is one PUT of a form whose part `user` has exactly the given fields, in camelCase."""
    fake.respond({"id": "USR-0000-0001"})
    await market.update_user(ADA, parse(change), "k")
    [request] = fake.requests
    assert (request.method, request.url) == ("PUT", URL)
    assert dict(request.headers) == {"Authorization": "Bearer s-token"}
    [part] = request.body.parts
    assert (part.name, part.content_type, part.filename) == ("user", "application/json", None)
    assert orjson.loads(part.content) == user


ICON = {"content": b"\x89PNG\r\n\x1a\n", "filename": 'C:\\my "logo"\r\n.png', "content_type": "image/png"}


async def test_bytes_of_a_form(raw: Any, transport: Any) -> None:
    """The bytes of a form are those of the vendor's client: the part `icon`, then the part `user`."""
    server = await raw(KEEP)
    defaults = SoftwareOneSettings()
    market = SoftwareOneSource(transport().send, server.url, {}, defaults.icon_bytes, defaults.icon_types)
    await market.update_user(ADA, parse({"first_name": "A", "last_name": None, "icon": ICON}), "k")
    [(head, body)] = server.requests
    assert head.startswith(b"PUT /public/v1/accounts/users/USR-0000-0001 HTTP/1.1\r\n")
    boundary = head.split(b"Content-Type: multipart/form-data; boundary=")[1].split(b"\r\n")[0]
    assert body.replace(boundary, b"B") == (
        b'--B\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="icon"; filename="my logo.png"\r\n\r\n'
        b"\x89PNG\r\n\x1a\n\r\n"
        b'--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="user"\r\n\r\n'
        b'{"firstName":"A","lastName":null}\r\n--B--\r\n'
    )
    assert b"User.Data" not in body


async def test_icon_alone(market: SoftwareOneSource, fake: Any) -> None:
    """An icon without other fields is sent with an empty part `user`."""
    fake.respond({"id": "USR-0000-0001"})
    await market.update_user(ADA, parse({"icon": ICON}), "k")
    icon, user = fake.requests[0].body.parts
    assert (icon.name, icon.content) == ("icon", Blob.of(ICON["content"]))
    assert (user.name, user.content) == ("user", b"{}")


async def test_invalid_response_to_a_change(market: SoftwareOneSource, fake: Any) -> None:
    """If the response to a change cannot be decoded, or is a 202, the outcome is unknown."""
    for body, status in ((b"<html>", 200), (b"{}", 201), (b"", 202)):
        fake.responses = []
        fake.respond(body, status)
        with pytest.raises(SourceInvalidResponse) as caught:
            await market.update_user(ADA, parse({"first_name": "A"}), "k")
        assert caught.value.outcome is Outcome.UNKNOWN


WHOLE = {
    "id": "USR-0000-0001",
    "firstName": "Later",
    "accounts": [{"id": "ACC-1"}],
    "phone": {"prefix": "+34", "number": "6"},
    "settings": {"cultureCode": "en-US"},
    "currentAccount": {"id": "ACC-1"},
    "audit": {"created": {"at": "2026-01-01T00:00:00.000Z"}, "updated": {"at": "2026-01-02T00:00:00.000Z"}},
}


@pytest.mark.parametrize(
    ("answer", "needs", "query"),
    [
        ({"$meta": {"omitted": ["audit", "accounts"]}}, {"audit", "accounts"}, "?select=audit%2Caccounts"),
        ({"$meta": {"omitted": ["audit"]}}, {"audit", "profile"}, "?select=audit"),
        ({"accounts": []}, {"audit", "accounts"}, "?select=audit"),
        ({"audit": WHOLE["audit"]}, {"audit", "accounts"}, "?select=accounts"),
        ({}, {"profile", "phone", "settings", "current_account"}, None),
        ({"$meta": {"omitted": ["phone", "settings"]}}, {"phone"}, "?select=phone"),
        (
            {"$meta": {"omitted": ["audit", "settings", "currentAccount"]}},
            {"audit", "settings", "current_account"},
            "?select=audit%2Csettings%2CcurrentAccount",
        ),
        (WHOLE, {"audit", "accounts"}, None),
    ],
)
async def test_what_a_change_leaves_out(
    market: SoftwareOneSource, fake: Any, answer: Any, needs: set[str], query: str | None
) -> None:
    """What the response to a change leaves out is read by one call, if it is needed; the rest is kept."""
    fake.respond({"id": "USR-0000-0001", "firstName": "A"} | answer)
    fake.respond(WHOLE)
    changed = await market.update_user(ADA, parse({"first_name": "A"}), "k")
    missing = market.missing(changed, frozenset(needs))
    assert bool(missing) == (query is not None)
    if query is not None:
        completed = await market.complete(changed, missing)
        assert [request.url for request in fake.requests[1:]] == [URL + query]
        assert completed.first_name == "A"
        assert market.missing(completed, frozenset(needs)) == frozenset()
        assert all(getattr(completed, need) for need in missing - {"audit"})
        assert ("accounts" in completed.omitted_fields) == (completed.accounts is None)
        assert ("audit" not in needs) or completed.updated_at == "2026-01-02T00:00:00.000Z"


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 503), ({"status": 404, "title": "Not Found"}, 404), ({"id": "x"}, 200)]
)
async def test_what_cannot_be_read_after_a_change(market: SoftwareOneSource, fake: Any, body: Any, status: int) -> None:
    """If the user cannot be read after its change, the change succeeds, and says which fields are missing."""
    fake.respond({"id": "USR-0000-0001", "firstName": "A"})
    fake.respond(body, status)
    changed = await market.update_user(ADA, parse({"first_name": "A"}), "k")
    completed = await market.complete(changed, frozenset({"audit", "accounts"}))
    assert (completed.first_name, completed.created_at, completed.accounts) == ("A", None, None)
    assert completed.omitted_fields == ("audit", "accounts")


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"phone": {"prefix": "1" * 11, "number": "1"}}, ("phone", "prefix"), "at most 10"),
        ({"phone": {"prefix": "1", "number": "1" * 16}}, ("phone", "number"), "at most 15"),
        ({"settings": {"culture_code": "en-USA"}}, ("settings", "culture_code"), "at most 5"),
        ({"settings": {"language_code": "en-USA"}}, ("settings", "language_code"), "at most 5"),
        ({"icon": None}, ("icon",), "no way to remove an icon"),
    ],
)
def test_rules_of_the_source(change: Any, field: tuple[str, ...], message: str) -> None:
    """What SoftwareOne would refuse, or whose effect there is unknown, is refused before anything is sent."""
    with pytest.raises(BadUserInput, match=message) as caught:
        parse(change)
    assert [violation.path for violation in caught.value.violations] == [field]


def test_the_longest_values() -> None:
    """Values of exactly the greatest lengths are accepted."""
    phone, settings = {"prefix": "1" * 10, "number": "1" * 15}, {"culture_code": "en-US", "language_code": "de-DE"}
    assert parse({"phone": phone, "settings": settings}).given().keys() == {"phone", "settings"}
