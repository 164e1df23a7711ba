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
    """The Marketplace on the wire in memory, with icons of 8 bytes."""
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
async def test_fetch_user(market: SoftwareOneSource, wire: Any, needs: set[str], query: str) -> None:
    """A user is one GET that names what the source would leave out."""
    wire.answer({"id": "USR-0000-0001"})
    assert (await market.fetch_user(ADA, frozenset(needs))).source_id == "USR-0000-0001"
    [request] = wire.requests
    assert (request.method, request.url, request.body) == ("GET", URL + query, None)
    assert dict(request.headers) == {"Authorization": "Bearer s-token"}


async def test_no_such_user(market: SoftwareOneSource, wire: Any) -> None:
    """A user that is not there is None to a read and an error to a change."""
    wire.answer({"status": 404, "title": "Not Found"}, 404)
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
async def test_update(market: SoftwareOneSource, wire: Any, change: Any, user: Any) -> None:
    """A change is one PUT of a form whose part `user` holds exactly the fields given, in plain camelCase."""
    wire.answer({"id": "USR-0000-0001"})
    await market.update_user(ADA, parse(change), "k")
    [request] = wire.requests
    assert (request.method, request.url) == ("PUT", URL)
    assert dict(request.headers) == {"Authorization": "Bearer s-token"}
    [part] = request.body.parts
    assert (part.name, part.content_type, part.filename) == ("user", "application/json", None)
    assert orjson.loads(part.content) == user


ICON = {"content": b"\x89PNG\r\n\x1a\n", "filename": 'C:\\my "logo"\r\n.png', "content_type": "image/png"}


async def test_on_the_wire(raw: Any, transport: Any) -> None:
    """A form is the picture's part, then the user's, as the vendor's client writes them, and nothing else."""
    server = await raw(KEEP)
    own = SoftwareOneSettings()
    market = SoftwareOneSource(transport().send, server.url, {}, own.icon_bytes, own.icon_types)
    await market.update_user(ADA, parse({"first_name": "A", "last_name": None, "icon": ICON}), "k")
    [(head, body)] = server.requests
    assert head.startswith(b"PUT /public/v1/accounts/users/USR-0000-0001 HTTP/1.1\r\n")
    boundary = head.split(b"Content-Type: multipart/form-data; boundary=")[1].split(b"\r\n")[0]
    between = body.replace(boundary, b"B")
    assert between == (
        b'--B\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="icon"; filename="my logo.png"\r\n\r\n'
        b"\x89PNG\r\n\x1a\n\r\n"
        b'--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="user"\r\n\r\n'
        b'{"firstName":"A","lastName":null}\r\n--B--\r\n'
    )
    assert b"User.Data" not in body


async def test_icon_alone(market: SoftwareOneSource, wire: Any) -> None:
    """A picture alone goes with an empty delta."""
    wire.answer({"id": "USR-0000-0001"})
    await market.update_user(ADA, parse({"icon": ICON}), "k")
    icon, user = wire.requests[0].body.parts
    assert (icon.name, icon.content) == ("icon", Blob.of(ICON["content"]))
    assert (user.name, user.content) == ("user", b"{}")


async def test_icon_over_the_cap(market: SoftwareOneSource, wire: Any) -> None:
    """A picture over the cap is refused before any call."""
    with pytest.raises(BadUserInput) as caught:
        await market.update_user(ADA, parse({"icon": ICON | {"content": b"123456789"}}), "k")
    assert [v.path for v in caught.value.violations] == [("change", "icon")]
    assert wire.requests == []


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/html", "image/x-icon"])
async def test_icon_of_another_kind(market: SoftwareOneSource, wire: Any, kind: str) -> None:
    """What is not declared as one of the pictures that the settings name is refused before any call."""
    with pytest.raises(BadUserInput, match="image/png") as caught:
        await market.update_user(ADA, parse({"icon": ICON | {"content_type": kind}}), "k")
    assert [v.path for v in caught.value.violations] == [("change", "icon")]
    assert wire.requests == []


async def test_unreadable_answer(market: SoftwareOneSource, wire: Any) -> None:
    """A change whose answer cannot be read may have been carried out; 202 says only that it will be."""
    for body, status in ((b"<html>", 200), (b"{}", 201), (b"", 202)):
        wire.answers = []
        wire.answer(body, status)
        with pytest.raises(SourceInvalidResponse) as caught:
            await market.update_user(ADA, parse({"first_name": "A"}), "k")
        assert caught.value.outcome is Outcome.UNKNOWN
