import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from callers.issuing import AUDIENCE, ISSUER, Issuer, made
from joserfc.jwk import RSAKey

from gateway.callers.key_sets import FetchedKeys, fetch, read_keys
from gateway.callers.tokens import TokenRules, TokenVerifier
from gateway.errors import SourceUnavailable, Unauthenticated
from gateway.operation import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

PUBLIC = frozenset({"RSA", "EC", "OKP"})


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """A client."""
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def keys(session: ClientSession, issuer: Issuer, clock: Any) -> AsyncIterator[FetchedKeys]:
    """The issuer's keys, over a socket."""
    keys = FetchedKeys(partial(fetch, session, issuer.url), PUBLIC, ttl=300, burst=3, pause=30, clock=clock)
    yield keys
    await keys.aclose()


@pytest.fixture
def tokens(keys: FetchedKeys) -> TokenVerifier:
    """Tells tokens of that issuer."""
    return TokenVerifier(TokenRules(ISSUER, (AUDIENCE,), KNOWN), keys)


async def settled(issuer: Issuer, asked: int) -> None:
    """Wait until the issuer was asked so often and the answer is in."""
    async with asyncio.timeout(5):
        while issuer.asked < asked:  # noqa: ASYNC110 - the other side of a socket sets no event
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_fetched_once(tokens: TokenVerifier, issuer: Issuer) -> None:
    """All who come at once wait for one fetch, and those who come later for none."""
    principals = await asyncio.gather(*(tokens.principal(issuer.token(sub=f"u{n}")) for n in range(50)))
    assert len({one.name for one in principals}) == 50
    await tokens.principal(issuer.token(sub="later"))
    assert issuer.asked == 1


async def test_rotated(tokens: TokenVerifier, issuer: Issuer) -> None:
    """A token of a new key makes the keys be fetched, and is accepted; one of a key that is gone is refused then."""
    before = issuer.token()
    await tokens.principal(before)
    issuer.rotate("k2")
    assert (await tokens.principal(issuer.token(sub="grace"))).name.endswith("grace")
    assert issuer.asked == 2
    with pytest.raises(Unauthenticated):
        await tokens.principal(before)


async def test_a_flood_of_unknown_kids_is_bounded(tokens: TokenVerifier, issuer: Issuer, clock: Any) -> None:
    """A forger who names a thousand keys makes the issuer be asked a few times, and others are served meanwhile."""
    await tokens.principal(issuer.token())
    forger = Issuer()
    for number in range(1000):
        forger.keys[0] = made("ES256", f"x{number}") if number < 3 else forger.keys[0]
        with pytest.raises(Unauthenticated):
            await tokens.principal(forger.token(sub=f"x{number}"))
    assert issuer.asked <= 4
    assert await tokens.principal(issuer.token(sub="grace"))
    asked = issuer.asked
    issuer.rotate("k2")
    clock.now += 30
    assert await tokens.principal(issuer.token(sub="ada"))
    assert issuer.asked == asked + 1


async def test_old_keys_stay_in_force_while_they_are_fetched(tokens: TokenVerifier, issuer: Issuer, clock: Any) -> None:
    """Keys that are older than their time are fetched beside the requests, which do not wait."""
    token = issuer.token()
    await tokens.principal(token)
    clock.now += 300
    issuer.rotate("k2")
    await tokens.principal(token)
    await settled(issuer, 2)
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


@pytest.mark.parametrize(
    ("status", "body"), [(500, None), (302, None), (200, b"<html>"), (200, b'{"keys":[]}'), (200, b" " * 300_000)]
)
async def test_a_failing_fetch_keeps_the_keys(
    tokens: TokenVerifier, issuer: Issuer, clock: Any, caplog: Any, *, status: int, body: bytes | None
) -> None:
    """An issuer that fails, or answers no keys, leaves the known ones in force, and is asked again after a pause."""
    await tokens.principal(issuer.token())
    issuer.status, issuer.body = status, body
    clock.now += 300
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            await tokens.principal(issuer.token(sub=f"u{number}"))
            await asyncio.sleep(0)
        await settled(issuer, 2)
    assert issuer.asked == 2
    assert "the known ones stay" in caplog.text
    assert issuer.url not in caplog.text
    clock.now += 30
    await tokens.principal(issuer.token(sub="again"))
    await settled(issuer, 3)


async def test_no_keys_yet(tokens: TokenVerifier, issuer: Issuer, clock: Any) -> None:
    """While the issuer has never answered it is our failure and not the caller's; once it answers, all is well."""
    issuer.status = 500
    for _ in range(20):
        with pytest.raises(SourceUnavailable):
            await tokens.principal(issuer.token())
    assert issuer.asked == 3
    issuer.status = 200
    clock.now += 30
    assert await tokens.principal(issuer.token())


async def test_nobody_listens(session: ClientSession, issuer: Issuer, unused_tcp_port: int) -> None:
    """An issuer that cannot be reached is told of without its address."""
    with pytest.raises(OSError, match=r"^the issuer did not answer") as raised:
        await fetch(session, f"http://127.0.0.1:{unused_tcp_port}/jwks")
    assert "127.0.0.1" not in str(raised.value)


async def test_a_caller_who_leaves_takes_nothing_along(tokens: TokenVerifier, issuer: Issuer) -> None:
    """One of two who wait for the keys is cancelled, and the other gets its answer."""
    first, second = (asyncio.ensure_future(tokens.principal(issuer.token(sub=name))) for name in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second


def test_what_else_is_in_a_set() -> None:
    """Keys of kinds unknown or unwanted, for encryption, too weak or broken are passed over."""
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    good = made("ES256", "good").as_dict(private=False)
    told = [
        weak,
        made("ES256", "enc").as_dict(private=False) | {"use": "enc"},
        {"kty": "AKP", "kid": "new"},
        good | {"kty": ["EC"], "kid": "listed"},
        {"kty": {}},
        {"kty": "RSA", "kid": "broken", "n": "x"},
        {"kty": "EC", "kid": "off", "crv": "P-256", "x": "AA", "y": "AA"},
        made("HS256", "secret").as_dict(),
        "text",
        good,
    ]
    assert [key.kid for key in read_keys(orjson.dumps({"keys": told}), PUBLIC)] == ["good"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[{"kty":"EC"}]}'])
def test_no_key_set(content: bytes) -> None:
    """What holds no usable key is no key set."""
    with pytest.raises(ValueError):  # noqa: PT011 - the JSON parser's words are its own
        read_keys(content, PUBLIC)
