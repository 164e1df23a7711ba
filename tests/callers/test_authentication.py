"""Authentication by the configured modes: API keys, tokens, or both."""

from pathlib import Path
from typing import Any

import pytest
from callers.issuing import AUDIENCE, ISSUER, Issuer
from multidict import CIMultiDict

from gateway import Settings
from gateway.app.callers import open_authentication
from gateway.callers.api_keys import new_api_key
from gateway.callers.authentication import Authentication
from gateway.callers.connection import Connection
from gateway.errors import Unauthenticated
from gateway.principal import ANYONE
from gateway.principal import scopes as all_scopes
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
    path.write_text(ENTRY.to_toml())
    return path


@pytest.fixture
def settings(keys_file: Path, issuer: Issuer) -> Any:
    """A function that returns the settings of a mode."""

    def make(mode: str) -> AuthSettings:
        return Settings(
            auth={"mode": mode, "keys_file": keys_file, "jwks_url": issuer.url, "issuer": ISSUER, "audience": AUDIENCE}
        ).auth

    return make


def via(headers: Any) -> Connection:
    return Connection("http", headers)


def bearer(credential: str, **other: str) -> CIMultiDict[str]:
    headers = {name.replace("_", "-"): value for name, value in other.items()}
    return CIMultiDict({"Authorization": f"Bearer {credential}"} | headers)


async def test_without_a_mode(settings: Any) -> None:
    """With the mode `none` every caller is ANYONE, whatever it sends."""
    async with open_authentication(settings("none"), {}) as authenticate:
        for headers in ({}, bearer("x"), {"x-api-key": "x"}):
            assert await authenticate(via(headers)) is ANYONE


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
    """Each mode accepts the credentials that it names, a key in either header, and refuses all others."""
    async with open_authentication(settings(mode), {}) as authenticate:
        for headers, name, accepted in (
            (bearer(KEY), "key:billing", keys),
            (CIMultiDict({"X-API-Key": KEY}), "key:billing", keys),
            (CIMultiDict({"authorization": f"bearer  {KEY} "}), "key:billing", keys),
            (bearer(issuer.token()), f"jwt:{ISSUER}|ada", tokens),
        ):
            if accepted:
                assert (await authenticate(via(headers))).name == name
            else:
                with pytest.raises(Unauthenticated):
                    await authenticate(via(headers))


@pytest.mark.parametrize("mode", ["api_key", "jwt", "api_key jwt"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic YTpi"}, {"authorization": KEY}],
    ids=str,
)
async def test_missing_credentials(settings: Any, mode: str, headers: dict[str, str]) -> None:
    """A request without a credential, or with one in another form, gets the forms that are accepted."""
    async with open_authentication(settings(mode), {}) as authenticate:
        with pytest.raises(
            Unauthenticated, match=r"^Authentication required: send .* as `Authorization: Bearer …`\.$"
        ) as refused:
            await authenticate(via(headers))
        assert ("X-API-Key" in str(refused.value)) == ("api_key" in mode)


async def test_a_wrong_key_is_not_tried_as_a_token(settings: Any, issuer: Issuer) -> None:
    """A request with a wrong key is refused, although it has a valid token too."""
    async with open_authentication(settings("api_key jwt"), {}) as authenticate:
        with pytest.raises(Unauthenticated):
            await authenticate(via(bearer(issuer.token(), X_API_Key="wrong")))


async def test_without_waiting(settings: Any, issuer: Issuer) -> None:
    """A key, and a token that was verified before, are accepted without waiting; what is wrong is refused so too."""
    async with open_authentication(settings("api_key jwt"), FORWARDS) as authenticate:
        with_key, with_token = via({"x-api-key": KEY}), via(bearer(issuer.token()))
        assert authenticate.try_authenticate(with_key) == await authenticate(with_key)
        assert authenticate.try_authenticate(with_token) is None
        await authenticate(with_token)  # the keys are fetched: what was verified before does not count any more
        verified = await authenticate(with_token)
        assert authenticate.try_authenticate(with_token) == verified
        assert authenticate.try_authenticate(via(bearer(issuer.token()[:-1]))) is None
        for wrong in ({}, {"x-api-key": "wrong"}, bearer("wrong")):
            with pytest.raises(Unauthenticated):
                authenticate.try_authenticate(via(wrong))


async def test_forwarded(settings: Any, issuer: Issuer) -> None:
    """Only the configured headers are kept, each for its source and under the name that the source uses."""
    sent = bearer(issuer.token(), X_SoftwareOne_Token="Bearer theirs", Cookie="c", X_Other="o")
    async with open_authentication(settings("jwt"), FORWARDS) as authenticate:
        principal = await authenticate(via(sent))
    assert principal.forwarded == {
        ACCOUNT: {"authorization": sent["Authorization"]},
        SOFTWAREONE: {"authorization": "Bearer theirs"},
    }


async def test_api_keys_are_not_forwarded(settings: Any) -> None:
    """An API key of this gateway is not forwarded; with the key in `X-API-Key`, the caller's credential is."""
    async with open_authentication(settings("api_key"), FORWARDS) as authenticate:
        assert (await authenticate(via(bearer(KEY)))).forwarded == {ACCOUNT: {}, SOFTWAREONE: {}}
        principal = await authenticate(via(bearer("theirs", X_API_Key=KEY)))
        assert principal.forwarded[ACCOUNT] == {"authorization": "Bearer theirs"}


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  ", "ApiKey ", ""])
async def test_a_key_that_is_sent_twice(settings: Any, scheme: str) -> None:
    """A key that is in `Authorization` as well as in `X-API-Key` is not forwarded, with any scheme."""
    async with open_authentication(settings("api_key jwt"), FORWARDS) as authenticate:
        principal = await authenticate(via(CIMultiDict({"X-API-Key": KEY, "Authorization": f"{scheme}{KEY}"})))
    assert principal.forwarded == {ACCOUNT: {}, SOFTWAREONE: {}}


async def test_forwarded_without_a_mode() -> None:
    """Where callers are not distinguished, different forwarded credentials still have different identities."""
    authenticate = Authentication(forwards=FORWARDS)
    principals = [await authenticate(via(headers)) for headers in (bearer("a"), bearer("b"), {})]
    assert len({principal.identity for principal in (*principals, ANYONE)}) == 4


async def test_the_client_is_closed(settings: Any, issuer: Issuer) -> None:
    """The HTTP client of the authentication is closed at the end of its block."""
    async with open_authentication(settings("jwt"), {}) as authenticate:
        await authenticate(via(bearer(issuer.token())))
    issuer.rotate("k2")
    with pytest.raises(RuntimeError, match="closed"):
        await authenticate(via(bearer(issuer.token())))
    assert issuer.fetches == 1
