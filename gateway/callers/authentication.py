"""Authentication: the headers of a request → who asks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gateway.callers.api_keys import ApiKeys
from gateway.errors import Unauthenticated
from gateway.operation import ANYONE, Principal

if TYPE_CHECKING:  # what checks signatures is 11 MiB, which only those who take tokens need
    from gateway.callers.tokens import TokenVerifier

__all__ = ["Authenticate", "Authentication", "Forwards", "anyone"]

Forwards = Mapping[str, Mapping[str, str]]
"""For each system that is called with its callers' own credentials: a caller's header → the header for the system."""

_API_KEY = "x-api-key"
_AUTHORIZATION = "authorization"
_DOTS_OF_A_TOKEN = 2


class Authenticate(Protocol):
    """Tells who sends a request by its headers, whose names are looked up in any case or are given in small letters."""

    async def __call__(self, headers: Mapping[str, str]) -> Principal:
        """Who it is.

        Raises:
            Unauthenticated: nobody says so, or is not believed. It does not tell why.
            SourceUnavailable: what it takes to believe cannot be had now.
        """


async def anyone(headers: Mapping[str, str]) -> Principal:  # noqa: ARG001 - named as the protocol has it
    """Callers are not told apart."""
    return ANYONE


class Authentication:
    """By API key (`X-API-Key`, or `Authorization: Bearer`), by token (`Authorization: Bearer`), or both.

    With neither, callers are not told apart. A key and a token are told apart by the token's two dots. Only the
    headers that `forwards` names are kept, for the systems that are called with them.
    """

    def __init__(
        self, keys: ApiKeys | None = None, tokens: "TokenVerifier | None" = None, forwards: Forwards | None = None
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._forwards = forwards or {}

    async def __call__(self, headers: Mapping[str, str]) -> Principal:
        principal, ours = await self._who(headers)
        if not self._forwards:
            return principal
        forwarded = {
            source: {
                theirs: value
                for own, theirs in names.items()
                if own not in ours and (value := headers.get(own)) is not None
            }
            for source, names in self._forwards.items()
        }
        return replace(principal, forwarded=forwarded)

    async def _who(self, headers: Mapping[str, str]) -> tuple[Principal, frozenset[str]]:
        """Who it is, and the headers that are meant for us alone: a system must not get our callers' API keys."""
        if self._keys is None and self._tokens is None:
            return ANYONE, frozenset()
        key = headers.get(_API_KEY)
        authorization = headers.get(_AUTHORIZATION, "")
        if self._keys is not None and key is not None:
            # Some clients send it both ways, with a scheme or without one.
            return self._keys.principal(key), frozenset({_AUTHORIZATION} if key in authorization else ())
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthenticated(f"Say who you are: {self._wanted()}.")
        if self._keys is not None and (self._tokens is None or credential.count(".") != _DOTS_OF_A_TOKEN):
            return self._keys.principal(credential), frozenset({_AUTHORIZATION})
        assert self._tokens is not None  # noqa: S101 - one of the two is there
        return await self._tokens.principal(credential), frozenset()

    def _wanted(self) -> str:
        told = ("an API key", self._keys), ("a token", self._tokens)
        kinds = " or ".join(name for name, there in told if there is not None)
        return f"send {kinds} as `Authorization: Bearer …`"
