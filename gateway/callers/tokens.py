"""Verifies tokens (JWT): the signature, the issuer, the audience and the times."""

import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jwt import JWTClaimsRegistry

from gateway.callers.algorithms import ALGORITHMS
from gateway.callers.key_sets import KeyProvider, KeySet
from gateway.errors import Unauthenticated
from gateway.principal import Principal

__all__ = ["KEY_TYPES", "TokenRules", "TokenVerifier"]

KEY_TYPES = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The type of key by the first letters of an algorithm; `none` has none."""

_LOG = logging.getLogger("gateway.callers")
_MAX_SUBJECT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The requirements for a token.

    `leeway` is how far clocks may differ, and `cache_ttl` how long a verified token is accepted without verifying it
    again, both in seconds; at most `cache_size` tokens are cached. `max_length` is in characters. `scope_claim` is the
    claim with the scopes, a list or one text with spaces between them; `subject_claim` is the claim with the caller.
    """

    issuer: str
    audiences: tuple[str, ...]
    known_scopes: frozenset[str]
    algorithms: tuple[str, ...] = ALGORITHMS
    leeway: float = 30.0
    scope_claim: str = "scope"
    subject_claim: str = "sub"
    max_length: int = 8192
    cache_ttl: float = 60.0
    cache_size: int = 10_000


class _Algorithms(jws.JWSRegistry):
    """The allowed algorithms and no others.

    It omits the library's warning at each token that is signed with EdDSA (RFC 8037): RFC 9864 has new names for it,
    which issuers do not use yet.
    """

    max_header_length = 4096  # some tokens carry their certificate (`x5c`)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise ValueError("algorithm")
        return self.algorithms[name]


class TokenVerifier:
    """Verifies tokens and identifies their callers.

    A verified token is cached by its hash, so that its signature is not verified at each request; a change of the keys
    clears the cache.
    """

    def __init__(self, rules: TokenRules, keys: KeyProvider, *, now: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._keys = keys
        self._now = now
        self._registry = _Algorithms(algorithms=list(rules.algorithms), strict_check_header=False)
        self._claims = JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=int(rules.leeway),
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "values": list(rules.audiences)},
            exp={"essential": True},
        )
        self._cache: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._cache_keys: KeySet | None = None  # those that the cached tokens were verified with

    @property
    def version(self) -> object:
        """Another value after each change of the keys."""
        return self._keys.current()

    async def principal(self, token: str) -> Principal:
        """Return the caller whose token it is.

        Raises:
            Unauthenticated: the token is not accepted; only the log has the reason.
            SourceUnavailable: no keys are available yet.
        """
        if len(token) > self._rules.max_length:
            raise _rejected("length")
        cached = self.verified(token)
        if cached is not None:
            return cached
        raw = _raw(token)
        try:
            signed = jws.extract_compact(raw, registry=self._registry)
            keys = await self._signing_keys(signed.headers())
            if not any(jws.validate_compact(signed, key, registry=self._registry) for key in keys):
                raise _rejected("signature")
            principal = self._principal(json.loads(signed.payload or b""))
        except (JoseError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            raise _rejected(type(error).__name__) from None
        self._add_to_cache(_digest(raw), principal)
        return principal

    def verified(self, token: str) -> Principal | None:
        """Return the caller of a token that was verified a short time ago; None for any other one."""
        return self._from_cache(_digest(_raw(token))) if len(token) <= self._rules.max_length else None

    async def _signing_keys(self, header: Mapping[str, Any]) -> list[Key]:
        """Return the keys that may have signed a token; keys are fetched only if its algorithm is allowed."""
        algorithm, kid = header["alg"], header.get("kid")
        self._registry.get_alg(algorithm)
        if kid is not None and not isinstance(kid, str):
            raise ValueError("kid")
        keys = await self._keys.get(kid)
        key_type = KEY_TYPES[algorithm[:2]]
        return [key for key in keys.matching(kid) if key.key_type == key_type and key.alg in {None, algorithm}]

    def _principal(self, claims: Any) -> Principal:
        if not isinstance(claims, dict):
            raise TypeError("claims")
        self._claims.validate(claims)
        subject, scopes = claims.get(self._rules.subject_claim), claims.get(self._rules.scope_claim, "")
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_LENGTH:
            raise ValueError("subject")
        subject.encode()  # a ValueError: half of a surrogate pair is no text, and can be stored and sent nowhere
        if isinstance(scopes, str):
            scopes = scopes.split()
        if not isinstance(scopes, list):
            raise TypeError("scopes")
        return Principal(
            f"jwt:{self._rules.issuer}|{subject}",
            self._rules.known_scopes.intersection(scope for scope in scopes if isinstance(scope, str)),
            expires=claims["exp"] + self._rules.leeway,
        )

    def _from_cache(self, digest: bytes) -> Principal | None:
        keys = self._keys.current()
        if keys is not self._cache_keys:
            self._cache_keys = keys
            self._cache.clear()
        expires_at, principal = self._cache.get(digest, (0.0, None))
        return principal if self._now() < expires_at else None

    def _add_to_cache(self, digest: bytes, principal: Principal) -> None:
        expires_at = self._now() + self._rules.cache_ttl
        if principal.expires is not None:
            expires_at = min(expires_at, principal.expires)
        self._cache[digest] = expires_at, principal
        self._cache.move_to_end(digest)
        while len(self._cache) > self._rules.cache_size:
            self._cache.popitem(last=False)


def _raw(token: str) -> bytes:
    return token.encode(errors="replace")


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def _rejected(reason: str) -> Unauthenticated:
    _LOG.debug("a token was not accepted: %s", reason)
    return Unauthenticated("The token was not accepted.")
