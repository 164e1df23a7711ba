"""Calls are recorded once, and replayed without a source."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway import Gateway
from gateway.errors import NotFound, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.models import User, UserSource
from gateway.sources import Request, Response, TransportLimits
from gateway.testing import AccountUser, RecordingTransport, Sandbox
from gateway.testing.recorded_calls import recorded_request, recorded_response

ADA = "acus_adalovelace1"
SECRET = "Tr0ub4dor&3"


async def _use(gateway: Gateway, eve: str) -> list[object]:
    """Use the gateway as a test does; return what it returned."""
    users = gateway.users
    before = await users.get_user(ADA, UserSource.ACCOUNT)
    await users.update_account_user(ADA, {"name": "Ada King"})
    after = await users.get_user(ADA, UserSource.ACCOUNT)
    page = await users.list_users(first=7)
    scanner = await users.create_account_user({"name": "Scanner", "username": "scanner-9", "password": SECRET})
    with pytest.raises(NotFound):
        await users.update_account_user("acus_nobody", {"name": "Nobody"})
    read = await users.get_user(eve)
    results: list[User | None] = [before, after, *page.users, scanner, read]
    return [(user.source_id, user.name, user.email, user.role and user.role.name) for user in results if user]


async def test_replays_what_was_recorded(sandbox: Sandbox, tmp_path: Path) -> None:
    """The first run calls the sources; later ones have the same results without them, with any token."""
    path = tmp_path / "recordings" / "use.json"
    eve = sandbox.seed(AccountUser(name="Eve", email="eve@example.com"))
    settings = sandbox.settings()
    async with Gateway(settings, transport=RecordingTransport(path)) as gateway:
        recorded = await _use(gateway, eve)
    assert [row[1] for row in recorded[:2]] == ["Ada Lovelace", "Ada King"]
    nowhere = {"base_url": "http://127.0.0.1:9/there", "token": "another-token"}
    offline = sandbox.settings(account=nowhere, softwareone=nowhere, reseller=nowhere)
    sandbox.stop()
    for _ in range(2):
        async with Gateway(offline, transport=RecordingTransport(path, mode="replay")) as gateway:
            assert await _use(gateway, eve) == recorded
            with pytest.raises(SourceInvalidResponse, match=r"use.json has no response to GET /v1/\S+/acus_other\?"):
                await gateway.users.get_user("acus_other", UserSource.ACCOUNT)


async def test_contains_no_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    """Neither tokens, nor passwords, nor hosts are in the file, nor what the test itself removes."""
    path = tmp_path / "use.json"
    settings = sandbox.settings()
    eve = sandbox.seed(AccountUser(name=f"Eve {settings.softwareone.token}", email="eve@example.com"))
    token = settings.account.token
    assert token
    sandbox.update(eve, name=f"Eve {token.get_secret_value()}")
    recording = RecordingTransport(path, redact=lambda text: text.replace("eve@example.com", "someone@example.com"))
    async with Gateway(settings, transport=recording) as gateway:
        await _use(gateway, eve)
    text = path.read_text()
    assert "Eve [redacted]" in text
    assert "someone@example.com" in text
    tokens = [getattr(settings, name).token.get_secret_value() for name in ("account", "softwareone", "reseller")]
    for secret in (*tokens, SECRET, "eve@example.com", "127.0.0.1", "uthorization", "RateLimit"):
        assert secret not in text
    assert {call["source"] for call in json.loads(text)["calls"]} == {"account", "softwareone", "reseller"}


def test_signed_urls() -> None:
    """The signature in the URL of a picture is in neither the response nor the request that follows it."""
    url = "https://blob.example/icons/1.png?sig=s3cret&se=2026&X-Amz-Credential=s3cret"
    request = Request("softwareone", "GET", "https://api.example/icon", "/icon")
    redirect = recorded_response(request, Response(307, {"Location": url, "Set-Cookie": "s3cret"}, b""), str)
    assert redirect.headers == {"location": url.replace("s3cret", "[redacted]")}
    followed = recorded_request(Request("softwareone", "GET", url, "/{picture}"), str)
    assert followed.path == "/icons/1.png?sig=[redacted]&se=2026&X-Amz-Credential=[redacted]"


def test_values_that_are_named_like_a_secret() -> None:
    """They are removed also as numbers and in lists, and the credential also from names, from URLs and from bytes."""
    token = "s3cret/k+1=="
    request = Request("reseller", "GET", "https://api.example/v3/x", "/x", {"Authorization": f"Bearer {token}"})
    body = {"tokens": ["s3cret"], "password": 1234, "hasPassword": True, "secret": {"a": ["s3cret", None]}, token: 1}
    response = recorded_response(request, Response(200, {}, json.dumps(body).encode()), str)
    removed = "[redacted]"
    nested = {"a": [removed, None]}
    assert response.json == {"tokens": [removed], "password": 0, "hasPassword": True, "secret": nested, removed: 1}
    link = json.dumps({"next": f"/v3/x?by={quote(token, safe='')}"}).encode()
    assert recorded_response(request, Response(200, {}, link), str).json == {"next": f"/v3/x?by={removed}"}
    picture = recorded_response(request, Response(200, {}, b"\xff" + token.encode()), str)
    assert picture.base64 == b"\xff[redacted]"


async def test_replays_a_change_that_was_not_sent(tmp_path: Path) -> None:
    """A change without a connection has no unknown outcome, neither when it is recorded nor when it is replayed."""
    written: list[bool] = []
    request = Request("reseller", "PATCH", "http://127.0.0.1:9/x", "/x", on_write=lambda: written.append(True))
    for _ in range(2):
        transport = RecordingTransport(tmp_path / "use.json")("reseller", TransportLimits())
        with pytest.raises(SourceUnavailable) as failed:
            await transport.send(request)
        await transport.aclose()
        assert (failed.value.outcome, written) == (None, [])


async def test_replays_errors(sandbox: Sandbox, tmp_path: Path) -> None:
    """A call that had no response fails in the same way when it is replayed."""
    path = tmp_path / "use.json"
    settings = sandbox.settings(account={"timeout": 0.2, "max_attempts": 1})
    sandbox.fail("account", "slow", delay=60)
    for _ in range(2):
        async with Gateway(settings, transport=RecordingTransport(path)) as gateway:
            with pytest.raises(SourceTimeout):
                await gateway.users.get_user(ADA, UserSource.ACCOUNT)


def test_files_that_cannot_be_replayed(tmp_path: Path) -> None:
    """A file that is missing, or no recording, is refused with what to do."""
    with pytest.raises(FileNotFoundError, match="record it first, by mode='record'"):
        RecordingTransport(tmp_path / "none.json", mode="replay")
    for text in ("{}", "no JSON", '{"version": 9, "calls": []}'):
        (tmp_path / "wrong.json").write_text(text)
        with pytest.raises(ValueError, match="Delete it to record the calls again"):
            RecordingTransport(tmp_path / "wrong.json")
