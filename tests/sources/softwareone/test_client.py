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
        ({"icon": None}, {"icon": None}),
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


async def test_icon_too_large(market: SoftwareOneSource, fake: Any) -> None:
    """An icon over the limit is refused before any request."""
    with pytest.raises(BadUserInput) as caught:
        await market.update_user(ADA, parse({"icon": ICON | {"content": b"123456789"}}), "k")
    assert [v.path for v in caught.value.violations] == [("change", "icon")]
    assert fake.requests == []


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/html", "image/x-icon"])
async def test_icon_of_another_type(market: SoftwareOneSource, fake: Any, content_type: str) -> None:
    """An icon of a media type that is not configured is refused before any request."""
    with pytest.raises(BadUserInput, match="image/png") as caught:
        await market.update_user(ADA, parse({"icon": ICON | {"content_type": content_type}}), "k")
    assert [v.path for v in caught.value.violations] == [("change", "icon")]
    assert fake.requests == []


async def test_invalid_response_to_a_change(market: SoftwareOneSource, fake: Any) -> None:
    """If the response to a change cannot be decoded, or is a 202, the outcome is unknown."""
    for body, status in ((b"<html>", 200), (b"{}", 201), (b"", 202)):
        fake.responses = []
        fake.respond(body, status)
        with pytest.raises(SourceInvalidResponse) as caught:
            await market.update_user(ADA, parse({"first_name": "A"}), "k")
        assert caught.value.outcome is Outcome.UNKNOWN
