"""Tokens (JWT): whose they are, once the signature, the issuer, the audience and the times are found right."""

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
from gateway.callers.key_sets import Keys, KeySet
from gateway.errors import Unauthenticated
from gateway.operation import Principal

__all__ = ["KINDS", "TokenRules", "TokenVerifier"]

KINDS = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The kind of key by the first letters of an algorithm; `none` has none."""

_LOG = logging.getLogger("gateway.callers")
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say.

    `leeway` and `trusted` are seconds: how far clocks may differ, and how long a token that was found right is
    believed without another look, `most` of them at a time. `longest` is in characters.
    `scopes` names the claim with the scopes, a list or one text with blanks between; `subject` that with the caller.
    """

    issuer: str
    audiences: tuple[str, ...]
    known: frozenset[str]
    algorithms: tuple[str, ...] = ALGORITHMS
    leeway: float = 30.0
    scopes: str = "scope"
    subject: str = "sub"
    longest: int = 8192
    trusted: float = 60.0
    most: int = 10_000


class _Algorithms(jws.JWSRegistry):
    """The allowed algorithms and no others.

    Without the library's warning at every token that is signed with EdDSA (RFC 8037): RFC 9864 gives it names that
    issuers have yet to use.
    """

    max_header_length = 4096  # some carry their certificate (`x5c`)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise ValueError("algorithm")
        return self.algorithms[name]


class TokenVerifier:
    """Tells whose token it is.

    A token that was found right is believed for a little while without checking its signature again, by its hash; a
    change of the keys ends that at once.
    """

    def __init__(self, rules: TokenRules, keys: Keys, *, now: Callable[[], float] = time.time) -> None:
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
        self._believed: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._believed_by: KeySet | None = None

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Unauthenticated: nobody's whom we believe; why is said in the log only.
            SourceUnavailable: there are no keys yet to check it with.
        """
        if len(token) > self._rules.longest:
            raise _refused("length")
        raw = token.encode(errors="replace")
        digest = hashlib.sha256(raw).digest()
        known = self._remembered(digest)
        if known is not None:
            return known
        try:
            signed = jws.extract_compact(raw, registry=self._registry)
            keys = await self._signers(signed.headers())
            if not any(jws.validate_compact(signed, key, registry=self._registry) for key in keys):
                raise _refused("signature")
            principal = self._principal(json.loads(signed.payload or b""))
        except (JoseError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            raise _refused(type(error).__name__) from None
        self._remember(digest, principal)
        return principal

    async def _signers(self, header: Mapping[str, Any]) -> list[Key]:
        """The keys that may have signed it; they are looked for only where the algorithm is allowed."""
        algorithm, kid = header["alg"], header.get("kid")
        self._registry.get_alg(algorithm)
        if kid is not None and not isinstance(kid, str):
            raise ValueError("kid")
        keys = await self._keys.having(kid)
        return [key for key in keys.named(kid) if key.key_type == KINDS[algorithm[:2]] and key.alg in {None, algorithm}]

    def _principal(self, claims: Any) -> Principal:
        if not isinstance(claims, dict):
            raise TypeError("claims")
        self._claims.validate(claims)
        subject, told = claims.get(self._rules.subject), claims.get(self._rules.scopes, "")
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_NAME:
            raise ValueError("subject")
        scopes = told.split() if isinstance(told, str) else told
        if not isinstance(scopes, list):
            raise TypeError("scopes")
        return Principal(
            f"jwt:{self._rules.issuer}|{subject}",
            self._rules.known.intersection(scope for scope in scopes if isinstance(scope, str)),
            expires=claims["exp"] + self._rules.leeway,
        )

    def _remembered(self, digest: bytes) -> Principal | None:
        keys = self._keys.current()
        if keys is not self._believed_by:
            self._believed_by = keys
            self._believed.clear()
        until, principal = self._believed.get(digest, (0.0, None))
        return principal if self._now() < until else None

    def _remember(self, digest: bytes, principal: Principal) -> None:
        until = self._now() + self._rules.trusted
        if principal.expires is not None:
            until = min(until, principal.expires)
        self._believed[digest] = until, principal
        self._believed.move_to_end(digest)
        while len(self._believed) > self._rules.most:
            self._believed.popitem(last=False)


def _refused(why: str) -> Unauthenticated:
    _LOG.debug("a token was refused: %s", why)
    return Unauthenticated("The token was not accepted.")
