"""Key sets: when they are fetched, which keys are used, and what happens if the issuer fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from callers.issuing import AUDIENCE, ISSUER, Issuer, new_key
from joserfc.jwk import RSAKey
from ports import refusing_port

from gateway.callers.key_sets import FetchedKeys, fetch_key_set, parse_key_set
from gateway.callers.tokens import TokenRules, TokenVerifier
from gateway.errors import SourceUnavailable, Unauthenticated
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

PUBLIC = frozenset({"RSA", "EC", "OKP"})


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession() as session:
        yield session


class Fetches:
    """Fetches the key set over HTTP, and counts the fetches that have ended."""

    def __init__(self, session: ClientSession, issuer: Issuer) -> None:
        self._session = session
        self._issuer = issuer
        self._ended = 0
        self._ends = asyncio.Event()

    async def __call__(self) -> bytes:
        try:
            return await fetch_key_set(self._session, self._issuer.url)
        finally:  # what was fetched is used without a further wait
            self._ended += 1
            self._ends.set()

    async def ended(self, count: int) -> None:
        """Wait until so many have ended and their keys are used."""
        async with asyncio.timeout(20):
            while self._ended < count:
                self._ends.clear()
                await self._ends.wait()
        await asyncio.sleep(0)  # then its task has ended as well


@pytest.fixture
def fetches(session: ClientSession, issuer: Issuer) -> Fetches:
    """No fetch yet."""
    return Fetches(session, issuer)


@pytest.fixture
async def keys(fetches: Fetches, clock: Any) -> AsyncIterator[FetchedKeys]:
    """The keys of the issuer, fetched over HTTP."""
    keys = FetchedKeys(fetches, PUBLIC, ttl=300, burst=3, pause=30, clock=clock)
    yield keys
    await keys.aclose()


@pytest.fixture
def tokens(keys: FetchedKeys) -> TokenVerifier:
    """A verifier for tokens of the issuer."""
    return TokenVerifier(TokenRules(ISSUER, (AUDIENCE,), KNOWN), keys)


async def test_fetched_once(tokens: TokenVerifier, issuer: Issuer) -> None:
    """Concurrent requests wait for one fetch, and later requests for none."""
    principals = await asyncio.gather(*(tokens.principal(issuer.token(sub=f"u{n}")) for n in range(50)))
    assert len({principal.name for principal in principals}) == 50
    await tokens.principal(issuer.token(sub="later"))
    assert issuer.fetches == 1


async def test_rotated(tokens: TokenVerifier, issuer: Issuer) -> None:
    """A token with a new key causes a fetch and is accepted; a token with a removed key is refused after that."""
    old = issuer.token()
    await tokens.principal(old)
    issuer.rotate("k2")
    assert (await tokens.principal(issuer.token(sub="grace"))).name.endswith("grace")
    assert issuer.fetches == 2
    with pytest.raises(Unauthenticated):
        await tokens.principal(old)


async def test_a_flood_of_unknown_kids_is_bounded(tokens: TokenVerifier, issuer: Issuer, clock: Any) -> None:
    """Tokens with a thousand unknown key ids cause only a few fetches, and valid tokens are accepted meanwhile."""
    await tokens.principal(issuer.token())
    forger = Issuer()
    for number in range(1000):
        forger.keys[0] = new_key("ES256", f"x{number}") if number < 3 else forger.keys[0]
        with pytest.raises(Unauthenticated):
            await tokens.principal(forger.token(sub=f"x{number}"))
    assert issuer.fetches <= 4
    assert await tokens.principal(issuer.token(sub="grace"))
    fetches = issuer.fetches
    issuer.rotate("k2")
    clock.now += 30
    assert await tokens.principal(issuer.token(sub="ada"))
    assert issuer.fetches == fetches + 1


async def test_old_keys_are_used_while_new_ones_are_fetched(
    tokens: TokenVerifier, issuer: Issuer, fetches: Fetches, clock: Any
) -> None:
    """Keys that are older than `ttl` are fetched in the background; requests do not wait for them."""
    token = issuer.token()
    await tokens.principal(token)
    clock.now += 300
    issuer.rotate("k2")
    await tokens.principal(token)
    await fetches.ended(2)
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


@pytest.mark.parametrize(
    ("status", "body"), [(500, None), (302, None), (200, b"<html>"), (200, b'{"keys":[]}'), (200, b" " * 300_000)]
)
async def test_a_failing_fetch_keeps_the_keys(
    tokens: TokenVerifier,
    issuer: Issuer,
    fetches: Fetches,
    clock: Any,
    caplog: Any,
    *,
    status: int,
    body: bytes | None,
) -> None:
    """After a failed fetch, or a response without keys, the known keys stay in use; it is repeated after a pause."""
    await tokens.principal(issuer.token())
    issuer.status, issuer.body = status, body
    clock.now += 300
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            await tokens.principal(issuer.token(sub=f"u{number}"))
            await asyncio.sleep(0)
        await fetches.ended(2)
    assert issuer.fetches == 2
    assert "the known keys stay in use" in caplog.text
    assert issuer.url not in caplog.text
    with caplog.at_level(logging.INFO):
        clock.now += 30
        await tokens.principal(issuer.token(sub="again"))
        await fetches.ended(3)
        issuer.status, issuer.body = 200, None
        clock.now += 30
        await tokens.principal(issuer.token(sub="once more"))
        await fetches.ended(4)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_no_keys_yet(tokens: TokenVerifier, issuer: Issuer, clock: Any) -> None:
    """Until the issuer has responded once, tokens get SourceUnavailable, not Unauthenticated."""
    issuer.status = 500
    for _ in range(20):
        with pytest.raises(SourceUnavailable):
            await tokens.principal(issuer.token())
    assert issuer.fetches == 3
    issuer.status = 200
    clock.now += 30
    assert await tokens.principal(issuer.token())


async def test_an_unreachable_issuer(session: ClientSession, issuer: Issuer) -> None:
    """The error for an unreachable issuer does not contain its address."""
    with refusing_port() as port, pytest.raises(OSError, match=r"^the issuer did not respond") as raised:
        await fetch_key_set(session, f"http://127.0.0.1:{port}/jwks")
    assert "127.0.0.1" not in str(raised.value)


async def test_a_cancelled_request(tokens: TokenVerifier, issuer: Issuer) -> None:
    """When one of two requests that wait for the keys is cancelled, the other still succeeds."""
    first, second = (asyncio.ensure_future(tokens.principal(issuer.token(sub=name))) for name in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second


def test_ignored_keys() -> None:
    """Keys of unknown or excluded types, for encryption, too weak or malformed are ignored."""
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    good = new_key("ES256", "good").as_dict(private=False)
    keys = [
        weak,
        new_key("ES256", "enc").as_dict(private=False) | {"use": "enc"},
        {"kty": "AKP", "kid": "new"},
        good | {"kty": ["EC"], "kid": "listed"},
        {"kty": {}},
        {"kty": "RSA", "kid": "broken", "n": "x"},
        {"kty": "EC", "kid": "off", "crv": "P-256", "x": "AA", "y": "AA"},
        new_key("HS256", "secret").as_dict(),
        "text",
        good,
    ]
    assert [key.kid for key in parse_key_set(orjson.dumps({"keys": keys}), PUBLIC)] == ["good"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[{"kty":"EC"}]}'])
def test_an_unusable_key_set(content: bytes) -> None:
    """A document without a usable key is an error."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message may be that of the JSON parser
        parse_key_set(content, PUBLIC)
