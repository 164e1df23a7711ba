"""An issuer of tokens: its keys, its tokens right and wrong, and a real server that gives its key set away."""

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

ISSUER, AUDIENCE = "https://issuer.example", "user-gateway"


def made(kind: str, kid: str) -> Key:
    """A key pair, or a secret, by the algorithm that it is for."""
    named: Any = {"kid": kid}
    if kind in {"EdDSA", "Ed25519"}:
        return OKPKey.generate_key("Ed25519", named)
    if kind.startswith("ES"):
        return ECKey.generate_key("P-256", named)
    return OctKey.generate_key(256, named) if kind.startswith("HS") else RSAKey.generate_key(2048, named)


class _Any(jws.JWSRegistry):
    """Signs with whatever it is told to, as an attacker would, and an issuer that uses EdDSA."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        pass


def signed(key: Key | None, algorithm: str, claims: Any, **header: Any) -> str:
    """A token as somebody made it, right or wrong."""
    registry = _Any(strict_check_header=False)
    content = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    return jws.serialize_compact({"alg": algorithm} | header, content, key, registry=registry)


def claims(**other: Any) -> dict[str, Any]:
    """What a good token says; a claim given as None is left out, a time is given as how far off it is."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 86_400, "iat": now, "scope": "users:read"}
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in (said | other).items()
        if value is not None
    }


def unsigned(said: dict[str, Any], **header: Any) -> str:
    """A token with no signature, as it is accepted by those who trust its `alg`."""
    parts = (urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in ({"alg": "none"} | header, said))
    return ".".join(parts) + "."


@dataclass
class Issuer:
    """Signs with the last of its keys; `url` answers the public ones, or the `status`, and counts how often."""

    keys: list[Key] = field(default_factory=lambda: [made("ES256", "k1")])
    algorithm: str = "ES256"
    asked: int = 0
    status: int = 200
    body: bytes | None = None
    url: str = ""

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, the older ones being gone."""
        self.keys = [made(self.algorithm, kid)]

    def key_set(self) -> bytes:
        """The public keys, as they are given away."""
        return orjson.dumps(KeySet(self.keys).as_dict(private=False))

    def token(self, **other: Any) -> str:
        """A token of this issuer, right unless other claims make it wrong."""
        return signed(self.keys[-1], self.algorithm, claims(**other), kid=self.keys[-1].kid)

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=self.status, body=self.key_set() if self.body is None else self.body)

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Issuer"]:
        """Its key set behind a socket."""
        app = web.Application()
        app.router.add_get("/jwks", self.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
            yield self
        finally:
            await runner.cleanup()
