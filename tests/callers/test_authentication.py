from pathlib import Path
from typing import Any

import pytest
from callers.issuing import AUDIENCE, ISSUER, Issuer
from multidict import CIMultiDict

from gateway import Settings
from gateway.app.callers import open_authentication
from gateway.callers.api_keys import new_api_key
from gateway.callers.authentication import Authentication
from gateway.errors import Unauthenticated
from gateway.operation import ANYONE
from gateway.operation import scopes as all_scopes
from gateway.settings import AuthSettings
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

ACCOUNT, SOFTWAREONE, _ = UserSource
KEY, ENTRY = new_api_key("billing", ["users:read"], KNOWN)
FORWARDS = {ACCOUNT: {"authorization": "authorization"}, SOFTWAREONE: {"x-softwareone-token": "authorization"}}


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "keys.toml"
    path.write_text(ENTRY.text())
    return path


@pytest.fixture
def settings(keys_file: Path, issuer: Issuer) -> Any:
    """Settings of a mode."""

    def make(mode: str) -> AuthSettings:
        return Settings(
            auth={"mode": mode, "keys_file": keys_file, "jwks_url": issuer.url, "issuer": ISSUER, "audience": AUDIENCE}
        ).auth

    return make


def bearer(credential: str, **other: str) -> CIMultiDict[str]:
    named = {name.replace("_", "-"): value for name, value in other.items()}
    return CIMultiDict({"Authorization": f"Bearer {credential}"} | named)


async def test_nobody_is_told_apart_without_a_mode(settings: Any) -> None:
    """With the mode `none` everybody is anyone, whatever they send."""
    async with open_authentication(settings("none"), {}) as authenticate:
        for headers in ({}, bearer("x"), {"x-api-key": "x"}):
            assert await authenticate(headers) is ANYONE


@pytest.mark.parametrize(
    ("mode", "keys", "tokens"),
    [
        ("api_key", True, False),
        ("jwt", False, True),
        ("api_key jwt", True, True),
        ("jwt, api_key", True, True),
    ],
)
async def test_modes(settings: Any, issuer: Issuer, *, mode: str, keys: bool, tokens: bool) -> None:
    """Each mode takes what it names, by either header for a key, and refuses what it does not name."""
    async with open_authentication(settings(mode), {}) as authenticate:
        for headers, name, taken in (
            (bearer(KEY), "key:billing", keys),
            (CIMultiDict({"X-API-Key": KEY}), "key:billing", keys),
            (CIMultiDict({"authorization": f"bearer  {KEY} "}), "key:billing", keys),
            (bearer(issuer.token()), f"jwt:{ISSUER}|ada", tokens),
        ):
            if taken:
                assert (await authenticate(headers)).name == name
            else:
                with pytest.raises(Unauthenticated):
                    await authenticate(headers)


@pytest.mark.parametrize("mode", ["api_key", "jwt", "api_key jwt"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic YTpi"}, {"authorization": KEY}],
    ids=str,
)
async def test_nobody(settings: Any, mode: str, headers: dict[str, str]) -> None:
    """Who says nothing, or in a way that is not understood, is told how to."""
    async with open_authentication(settings(mode), {}) as authenticate:
        with pytest.raises(Unauthenticated, match="Authorization: Bearer"):
            await authenticate(headers)


async def test_a_wrong_key_is_not_tried_as_a_token(settings: Any, issuer: Issuer) -> None:
    """In both modes a key that is wrong ends it, though a right token stands beside it."""
    async with open_authentication(settings("api_key jwt"), {}) as authenticate:
        with pytest.raises(Unauthenticated):
            await authenticate(bearer(issuer.token(), X_API_Key="wrong"))


async def test_forwarded(settings: Any, issuer: Issuer) -> None:
    """Only the headers that are named are kept, each for its system and by the system's name."""
    sent = bearer(issuer.token(), X_SoftwareOne_Token="Bearer theirs", Cookie="c", X_Other="o")
    async with open_authentication(settings("jwt"), FORWARDS) as authenticate:
        principal = await authenticate(sent)
    assert principal.forwarded == {
        ACCOUNT: {"authorization": sent["Authorization"]},
        SOFTWAREONE: {"authorization": "Bearer theirs"},
    }


async def test_our_keys_are_not_forwarded(settings: Any) -> None:
    """An API key of this gateway is sent to no system; beside `X-API-Key` the caller's own credential is."""
    async with open_authentication(settings("api_key"), FORWARDS) as authenticate:
        assert (await authenticate(bearer(KEY))).forwarded == {ACCOUNT: {}, SOFTWAREONE: {}}
        principal = await authenticate(bearer("theirs", X_API_Key=KEY))
        assert principal.forwarded[ACCOUNT] == {"authorization": "Bearer theirs"}


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  ", "ApiKey ", ""])
async def test_a_key_that_is_sent_twice(settings: Any, scheme: str) -> None:
    """A key that stands in `Authorization` beside `X-API-Key` goes to no system either, however it is written there."""
    async with open_authentication(settings("api_key jwt"), FORWARDS) as authenticate:
        principal = await authenticate(CIMultiDict({"X-API-Key": KEY, "Authorization": f"{scheme}{KEY}"}))
    assert principal.forwarded == {ACCOUNT: {}, SOFTWAREONE: {}}


async def test_forwarded_without_a_mode() -> None:
    """Where callers are not told apart, what each forwards still keeps them apart."""
    authenticate = Authentication(forwards=FORWARDS)
    one, other, nothing = [await authenticate(headers) for headers in (bearer("a"), bearer("b"), {})]
    assert len({one.identity, other.identity, nothing.identity, ANYONE.identity}) == 4


async def test_the_client_is_closed(settings: Any, issuer: Issuer) -> None:
    """What the authentication has opened is closed when it is left."""
    async with open_authentication(settings("jwt"), {}) as authenticate:
        await authenticate(bearer(issuer.token()))
    issuer.rotate("k2")
    with pytest.raises(RuntimeError, match="closed"):
        await authenticate(bearer(issuer.token()))
    assert issuer.asked == 1
