"""An issuer of tokens: its keys, valid and invalid tokens, and an HTTP server for its key set."""

import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey
from web_app import running

ISSUER, AUDIENCE = "https://issuer.example", "user-gateway"


def new_key(algorithm: str, kid: str) -> Key:
    """Return a key pair, or a secret key, for an algorithm."""
    parameters: Any = {"kid": kid}
    if algorithm in {"EdDSA", "Ed25519"}:
        return OKPKey.generate_key("Ed25519", parameters)
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-256", parameters)
    return OctKey.generate_key(256, parameters) if algorithm.startswith("HS") else RSAKey.generate_key(2048, parameters)


class _AllAlgorithms(jws.JWSRegistry):
    """Permits every algorithm and header, as an attacker would, and an issuer that uses EdDSA."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        pass


def signed(key: Key | None, algorithm: str, claims: Any, **header: Any) -> str:
    """Return a signed token, valid or not."""
    registry = _AllAlgorithms(strict_check_header=False)
    content = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    return jws.serialize_compact({"alg": algorithm} | header, content, key, registry=registry)


def claims(**other: Any) -> dict[str, Any]:
    """Return the claims of a valid token. None removes a claim; a time is given as its distance from now."""
    now = int(time.time())
    valid = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 86_400, "iat": now, "scope": "users:read"}
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in (valid | other).items()
        if value is not None
    }


def unsigned(payload: dict[str, Any], **header: Any) -> str:
    """Return a token without a signature, which a verifier that trusts its `alg` would accept."""
    parts = (urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in ({"alg": "none"} | header, payload))
    return ".".join(parts) + "."


@dataclass
class Issuer:
    """Signs with the last of its keys. `url` serves the public keys, or `status` and `body`; `fetches` counts that."""

    keys: list[Key] = field(default_factory=lambda: [new_key("ES256", "k1")])
    algorithm: str = "ES256"
    fetches: int = 0
    status: int = 200
    body: bytes | None = None
    url: str = ""

    def rotate(self, kid: str) -> None:
        """Replace all keys by a new one."""
        self.keys = [new_key(self.algorithm, kid)]

    def key_set(self) -> bytes:
        """Return the JWK set of the public keys."""
        return orjson.dumps(KeySet(self.keys).as_dict(private=False))

    def token(self, **other: Any) -> str:
        """Return a token of this issuer, valid unless other claims make it invalid."""
        return signed(self.keys[-1], self.algorithm, claims(**other), kid=self.keys[-1].kid)

    async def respond(self, _: web.Request) -> web.Response:
        self.fetches += 1
        return web.Response(status=self.status, body=self.key_set() if self.body is None else self.body)

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Issuer"]:
        """Serve the key set over HTTP until the block ends."""
        app = web.Application()
        app.router.add_get("/jwks", self.respond)
        async with running(app) as url:
            self.url = f"{url}/jwks"
            yield self
