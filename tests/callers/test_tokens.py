"""Verifying tokens: which are accepted, which are refused, and how long one is cached."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from callers.issuing import AUDIENCE, ISSUER, Issuer, claims, new_key, signed, unsigned
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet, OctKey

from gateway.callers.algorithms import ALGORITHMS
from gateway.callers.key_sets import FileKeys, parse_key_set
from gateway.callers.tokens import KEY_TYPES, TokenRules, TokenVerifier
from gateway.errors import Unauthenticated
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

RULES = TokenRules(ISSUER, (AUDIENCE, "second"), KNOWN)
PUBLIC = frozenset({"RSA", "EC", "OKP"})


class FixedKeys:
    """Provides a fixed key set; `requested` has the key ids of all requests."""

    def __init__(self, keys: Any, key_types: Any = PUBLIC) -> None:
        self.set = parse_key_set(orjson.dumps(KeySet(keys).as_dict()), key_types)
        self.requested: list[str | None] = []

    def current(self) -> Any:
        return self.set

    async def get(self, kid: str | None) -> Any:
        self.requested.append(kid)
        return self.set


RSA, EC = new_key("RS256", "rsa"), new_key("ES256", "ec")
STRANGER = {"RSA": new_key("RS256", "rsa"), "EC": new_key("ES256", "ec")}


def pem(key: Any) -> bytes:
    content: bytes = key.as_pem(private=False)
    return content


def secret(content: bytes) -> OctKey:
    return OctKey.import_key({"kty": "oct", "k": OctKey.import_key(content.hex()).as_dict()["k"], "kid": "rsa"})


@pytest.fixture
def tokens() -> TokenVerifier:
    """A verifier with an RSA key and an EC key."""
    return TokenVerifier(RULES, FixedKeys([RSA, EC]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_accepted(algorithm: str) -> None:
    """A token identifies its caller and the scopes, with each of the allowed algorithms."""
    key = new_key(algorithm, "k")
    token = signed(key, algorithm, claims(scope="users:read openid users:write:account"), kid="k")
    principal = await TokenVerifier(RULES, FixedKeys([key])).principal(token)
    assert principal.name == f"jwt:{ISSUER}|ada"
    assert principal.scopes == {"users:read", "users:write:account"}
    assert principal.expires is not None
    assert principal.expires > time.time()


@pytest.mark.parametrize(
    "other",
    [
        {"aud": "second"},
        {"aud": ["someone", AUDIENCE]},
        {"iat": None},
        {"nbf": timedelta(seconds=-5)},
        {"exp": timedelta(seconds=-5)},
        {"nbf": timedelta(seconds=5)},
        {"scope": ["users:read"]},
    ],
    ids=str,
)
async def test_accepted_variants(tokens: TokenVerifier, other: Any) -> None:
    """One audience of several, times within the leeway, and a list of scopes are accepted."""
    principal = await tokens.principal(signed(EC, "ES256", claims(**other), kid="ec"))
    assert principal.scopes == {"users:read"}


@pytest.mark.parametrize(
    "other",
    [
        {"exp": timedelta(seconds=-3600)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": timedelta(seconds=3600)},
        {"iat": timedelta(seconds=3600)},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": 7},
        {"iss": "https://evil.example"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 1000},
        {"sub": "x\ud800"},
        {"scope": {"users:read": True}},
    ],
    ids=str,
)
async def test_wrong_claims(tokens: TokenVerifier, other: Any) -> None:
    """A token that has expired, is not valid yet, has another issuer or audience, or no subject is refused."""
    with pytest.raises(Unauthenticated, match=r"^The token was not accepted\.$"):
        await tokens.principal(signed(EC, "ES256", json.dumps(claims(**other)).encode(), kid="ec"))


FORGED = {
    "another's key": signed(STRANGER["EC"], "ES256", claims(), kid="ec"),
    "another's RSA key": signed(STRANGER["RSA"], "RS256", claims(), kid="rsa"),
    "alg none": unsigned(claims(), kid="ec"),
    "alg None": unsigned(claims(), kid="ec", alg="None"),
    "no alg": unsigned(claims(), kid="ec", alg=None),
    "HS256 with the public key's PEM": signed(secret(pem(RSA)), "HS256", claims(), kid="rsa"),
    "HS256 with the empty key": signed(OctKey.import_key("00" * 32), "HS256", claims(), kid="rsa"),
    "an algorithm that is not allowed": signed(RSA, "RS512", claims(), kid="rsa"),
    "another key's algorithm": signed(RSA, "RS256", claims(), kid="ec"),
    "a key in the header": signed(
        STRANGER["EC"], "ES256", claims(), kid="ec", jwk=STRANGER["EC"].as_dict(private=False)
    ),
    "a key by address": signed(STRANGER["EC"], "ES256", claims(), kid="ec", jku="http://127.0.0.1:1/jwks"),
    "no kid, several keys": signed(EC, "ES256", claims()),
    "kid is a path": signed(EC, "ES256", claims(), kid="../../dev/null"),
    "something critical": signed(EC, "ES256", claims(), kid="ec", crit=["x"], x=1),
    "claims that are a list": signed(EC, "ES256", [claims()], kid="ec"),
    "claims that are no JSON": signed(EC, "ES256", b"{", kid="ec"),
    "claims nested deeply": signed(EC, "ES256", b"[" * 5000, kid="ec"),
    "a number that is huge": signed(EC, "ES256", b'{"exp":1' + b"0" * 400 + b"}", kid="ec"),
    "two tokens' parts": ".".join(
        [
            *signed(EC, "ES256", claims(sub="eve"), kid="ec").split(".")[:2],
            signed(EC, "ES256", claims(), kid="ec").split(".")[2],
        ]
    ),
    "no signature": signed(EC, "ES256", claims(), kid="ec").rpartition(".")[0] + ".",
    "empty": "",
    "dots": "..",
    "no text": "\udcff.\udcff.\udcff",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_forged(tokens: TokenVerifier, token: str) -> None:
    """A token that the issuer did not sign with its key and an allowed algorithm is refused with the same message."""
    with pytest.raises(Unauthenticated, match=r"^The token was not accepted\.$"):
        await tokens.principal(token)


async def test_no_keys_are_requested_in_vain() -> None:
    """No keys are requested for a token with an algorithm that is not allowed, or for one that is too long."""
    keys = FixedKeys([EC])
    for token in (unsigned(claims(), kid="x"), signed(EC, "ES256", claims(scope="x" * 10_000), kid="x"), "x" * 10**7):
        with pytest.raises(Unauthenticated):
            await TokenVerifier(RULES, keys).principal(token)
    assert keys.requested == []


@given(st.text(max_size=60), st.text(max_size=60), st.binary(max_size=60))
async def test_anything(header: str, payload: str, content: bytes) -> None:
    """Any text is refused without another exception, also signed content that is not a token."""
    tokens = TokenVerifier(RULES, FixedKeys([EC]))
    for token in (f"{header}.{payload}.x", signed(EC, "ES256", content, kid="ec")):
        with pytest.raises(Unauthenticated):
            await tokens.principal(token)


async def test_secret_keys_only_with_hs_algorithms() -> None:
    """A secret key of the set is used only if an HS algorithm is allowed; otherwise it is not even parsed."""
    key = new_key("HS256", "s")
    token = signed(key, "HS256", claims(), kid="s")
    rules = TokenRules(ISSUER, (AUDIENCE,), KNOWN, ("HS256",))
    assert await TokenVerifier(rules, FixedKeys([key], {KEY_TYPES["HS"]})).principal(token)
    with pytest.raises(Unauthenticated):
        await TokenVerifier(RULES, FixedKeys([EC, key])).principal(token)


async def test_claims_by_other_names() -> None:
    """The claims with the scopes and the caller can be configured."""
    rules = TokenRules(ISSUER, (AUDIENCE,), KNOWN, scope_claim="permissions", subject_claim="client_id")
    token = signed(EC, "ES256", claims(permissions=["users:write"], client_id="bff", scope="users:read"), kid="ec")
    principal = await TokenVerifier(rules, FixedKeys([EC])).principal(token)
    assert (principal.name, principal.scopes) == (f"jwt:{ISSUER}|bff", {"users:write"})


async def test_cached_for_a_while(clock: Any) -> None:
    """A verified token is not verified again for a minute, but not accepted after it expires."""
    clock.now = time.time()
    keys = FixedKeys([EC])
    tokens = TokenVerifier(RULES, keys, now=clock)
    token = signed(EC, "ES256", claims(exp=int(clock.now) + 50), kid="ec")
    first = await tokens.principal(token)
    assert await tokens.principal(token) is first
    assert len(keys.requested) == 1
    clock.now += 61
    assert await tokens.principal(token) is not first
    clock.now += 20
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


async def test_the_cache_ends_with_the_keys() -> None:
    """When the keys change, tokens that were verified with the old ones are verified again."""
    keys = FixedKeys([EC])
    tokens = TokenVerifier(RULES, keys)
    token = signed(EC, "ES256", claims(), kid="ec")
    await tokens.principal(token)
    keys.set = FixedKeys([STRANGER["EC"]]).set
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


async def test_cache_size() -> None:
    """No more tokens are cached than `cache_size`."""
    keys = FixedKeys([EC])
    tokens = TokenVerifier(TokenRules(ISSUER, (AUDIENCE,), KNOWN, cache_size=2), keys)
    sent = [signed(EC, "ES256", claims(sub=name), kid="ec") for name in "abc"]
    for token in (*sent, sent[2], sent[0]):
        await tokens.principal(token)
    assert len(keys.requested) == 4


async def test_rotated_in_a_file(tmp_path: Path, clock: Any) -> None:
    """A changed file of keys is read again: tokens with its keys are accepted, those with old keys refused."""
    issuer, path = Issuer(), tmp_path / "jwks.json"
    path.write_bytes(issuer.key_set())
    tokens = TokenVerifier(RULES, FileKeys(path, PUBLIC, clock=clock))
    old = issuer.token()
    await tokens.principal(old)
    issuer.rotate("k2")
    path.write_bytes(issuer.key_set())
    clock.now += 1.0
    await tokens.principal(issuer.token())
    with pytest.raises(Unauthenticated):
        await tokens.principal(old)
