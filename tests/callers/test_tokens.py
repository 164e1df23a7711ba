import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from callers.issuing import AUDIENCE, ISSUER, Issuer, claims, made, signed, unsigned
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet, OctKey

from gateway.callers.algorithms import ALGORITHMS
from gateway.callers.key_sets import FileKeys, read_keys
from gateway.callers.tokens import KINDS, TokenRules, TokenVerifier
from gateway.errors import Unauthenticated
from gateway.operation import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

RULES = TokenRules(ISSUER, (AUDIENCE, "second"), KNOWN)
PUBLIC = frozenset({"RSA", "EC", "OKP"})


class Fixed:
    """A key set in hand."""

    def __init__(self, keys: Any, kinds: Any = PUBLIC) -> None:
        self.set = read_keys(orjson.dumps(KeySet(keys).as_dict()), kinds)
        self.asked: list[str | None] = []

    def current(self) -> Any:
        return self.set

    async def having(self, kid: str | None) -> Any:
        self.asked.append(kid)
        return self.set


RSA, EC = made("RS256", "rsa"), made("ES256", "ec")
STRANGER = {"RSA": made("RS256", "rsa"), "EC": made("ES256", "ec")}


def pem(key: Any) -> bytes:
    content: bytes = key.as_pem(private=False)
    return content


def secret(content: bytes) -> OctKey:
    return OctKey.import_key({"kty": "oct", "k": OctKey.import_key(content.hex()).as_dict()["k"], "kid": "rsa"})


@pytest.fixture
def tokens() -> TokenVerifier:
    """Tells tokens of an RSA key and of an EC key."""
    return TokenVerifier(RULES, Fixed([RSA, EC]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_accepted(algorithm: str) -> None:
    """A token of the issuer tells who its caller is and what they may do, whichever allowed algorithm signs it."""
    key = made(algorithm, "k")
    token = signed(key, algorithm, claims(scope="users:read openid users:write:account"), kid="k")
    principal = await TokenVerifier(RULES, Fixed([key])).principal(token)
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
async def test_right_in_another_way(tokens: TokenVerifier, other: Any) -> None:
    """One audience of several, times within the leeway and a list of scopes are as good."""
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
        {"scope": {"users:read": True}},
    ],
    ids=str,
)
async def test_wrong_claims(tokens: TokenVerifier, other: Any) -> None:
    """A token that is expired, too early, of another issuer, for another audience or nobody's is refused."""
    with pytest.raises(Unauthenticated, match=r"^The token was not accepted\.$"):
        await tokens.principal(signed(EC, "ES256", claims(**other), kid="ec"))


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
    "its own key inside": signed(
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
    """What the issuer has not signed with its key and an allowed algorithm is refused, always in the same words."""
    with pytest.raises(Unauthenticated, match=r"^The token was not accepted\.$"):
        await tokens.principal(token)


async def test_no_keys_are_looked_for_in_vain() -> None:
    """A token of an algorithm that is not allowed, and a huge one, bring nobody to look for keys."""
    keys = Fixed([EC])
    for token in (unsigned(claims(), kid="x"), signed(EC, "ES256", claims(scope="x" * 10_000), kid="x"), "x" * 10**7):
        with pytest.raises(Unauthenticated):
            await TokenVerifier(RULES, keys).principal(token)
    assert keys.asked == []


@given(st.text(max_size=60), st.text(max_size=60), st.binary(max_size=60))
async def test_anything(header: str, payload: str, content: bytes) -> None:
    """Whatever is sent, the answer is a refusal and no defect, also where a real signature is around nonsense."""
    tokens = TokenVerifier(RULES, Fixed([EC]))
    for token in (f"{header}.{payload}.x", signed(EC, "ES256", content, kid="ec")):
        with pytest.raises(Unauthenticated):
            await tokens.principal(token)


async def test_secret_keys_only_where_they_are_wanted() -> None:
    """A secret key of the set is used where an HS algorithm is allowed, and is not even read where none is."""
    key = made("HS256", "s")
    token = signed(key, "HS256", claims(), kid="s")
    rules = TokenRules(ISSUER, (AUDIENCE,), KNOWN, ("HS256",))
    assert await TokenVerifier(rules, Fixed([key], {KINDS["HS"]})).principal(token)
    with pytest.raises(Unauthenticated):
        await TokenVerifier(RULES, Fixed([EC, key])).principal(token)


async def test_claims_by_other_names() -> None:
    """Issuers that name the scopes and the caller otherwise are understood."""
    rules = TokenRules(ISSUER, (AUDIENCE,), KNOWN, scopes="permissions", subject="client_id")
    token = signed(EC, "ES256", claims(permissions=["users:write"], client_id="bff", scope="users:read"), kid="ec")
    principal = await TokenVerifier(rules, Fixed([EC])).principal(token)
    assert (principal.name, principal.scopes) == (f"jwt:{ISSUER}|bff", {"users:write"})


async def test_believed_for_a_while(clock: Any) -> None:
    """A token that was right is not checked again for a minute, but never longer than it lasts."""
    clock.now = time.time()
    keys = Fixed([EC])
    tokens = TokenVerifier(RULES, keys, now=clock)
    token = signed(EC, "ES256", claims(exp=int(clock.now) + 50), kid="ec")
    first = await tokens.principal(token)
    assert await tokens.principal(token) is first
    assert len(keys.asked) == 1
    clock.now += 61
    assert await tokens.principal(token) is not first
    clock.now += 20
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


async def test_not_believed_with_other_keys() -> None:
    """When the keys change, what was believed by the old ones ends at once."""
    keys = Fixed([EC])
    tokens = TokenVerifier(RULES, keys)
    token = signed(EC, "ES256", claims(), kid="ec")
    await tokens.principal(token)
    keys.set = Fixed([STRANGER["EC"]]).set
    with pytest.raises(Unauthenticated):
        await tokens.principal(token)


async def test_few_are_remembered() -> None:
    """No more tokens are remembered than the rules say."""
    keys = Fixed([EC])
    tokens = TokenVerifier(TokenRules(ISSUER, (AUDIENCE,), KNOWN, most=2), keys)
    sent = [signed(EC, "ES256", claims(sub=name), kid="ec") for name in "abc"]
    for token in (*sent, sent[2], sent[0]):
        await tokens.principal(token)
    assert len(keys.asked) == 4


async def test_rotated_in_a_file(tmp_path: Path, clock: Any) -> None:
    """A key set in a file is read again when it changes: new tokens are accepted, those of a key that is gone not."""
    issuer, path = Issuer(), tmp_path / "jwks.json"
    path.write_bytes(issuer.key_set())
    tokens = TokenVerifier(RULES, FileKeys(path, PUBLIC, clock=clock))
    before = issuer.token()
    await tokens.principal(before)
    issuer.rotate("k2")
    path.write_bytes(issuer.key_set())
    clock.now += 1.0
    await tokens.principal(issuer.token())
    with pytest.raises(Unauthenticated):
        await tokens.principal(before)
