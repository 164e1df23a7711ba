"""Authentication: identifies the caller of a request."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gateway.callers.api_keys import ApiKeys
from gateway.callers.connection import Connection
from gateway.errors import Unauthenticated
from gateway.principal import ANYONE, Principal

if TYPE_CHECKING:  # the libraries for signatures take 11 MiB, which only gateways with tokens need
    from gateway.callers.tokens import TokenVerifier

__all__ = ["Authenticate", "Authentication", "Forwards", "anyone", "with_forwarded"]

Forwards = Mapping[str, Mapping[str, str]]
"""For each source that is called with forwarded credentials: the caller's header → the header for the source."""

_API_KEY = "x-api-key"
_AUTHORIZATION = "authorization"
_DOTS_OF_A_TOKEN = 2


class Authenticate(Protocol):
    """Identifies the caller of each request, of each operation on a WebSocket, and of each gRPC call.

    It is called before anything is parsed or executed. While a WebSocket or a subscription is open, it is called again
    with the same connection when `Principal.expires` is reached. If it has a method `version() -> object` as well, it
    is also called again for all that is open whenever that returns another value; `version` is called four times a
    second, so it must be cheap.
    """

    async def __call__(self, connection: Connection, /) -> Principal | None:
        """Return the caller; None: the request is refused as UNAUTHENTICATED.

        Raises:
            GatewayError: the request is refused with that error, for example `Forbidden`, or `SourceUnavailable` if the
                caller cannot be checked now. Any other exception is logged, and refused as INTERNAL without details.
        """


async def anyone(connection: Connection) -> Principal:  # noqa: ARG001 - all are the same
    """Return ANYONE: callers are not distinguished."""
    return ANYONE


_Identified = tuple[Principal, frozenset[str]]
_ANYONE: _Identified = (ANYONE, frozenset())


class Authentication:
    """Authenticates by API key (`X-API-Key`, or `Authorization: Bearer`), by token (`Authorization: Bearer`), or both.

    With neither, callers are not distinguished. A token is recognised by its two dots. Of the headers, only those that
    `forwards` names are kept, for the sources that are called with them.
    """

    def __init__(
        self, keys: ApiKeys | None = None, tokens: "TokenVerifier | None" = None, forwards: Forwards | None = None
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._forwards = forwards or {}
        self._is_open = keys is None and tokens is None and not self._forwards

    def version(self) -> object:
        """Return another value after each change of the API keys or of the keys that verify tokens; None without keys.

        A credential that was accepted before the change may not be accepted after it.
        """
        if self._keys is None and self._tokens is None:
            return None
        return tuple(verifier.version for verifier in (self._keys, self._tokens) if verifier is not None)

    async def __call__(self, connection: Connection) -> Principal:
        """Return the caller.

        Raises:
            Unauthenticated: the credential is missing or invalid; the message does not contain the reason.
            SourceUnavailable: the credential cannot be checked now.
        """
        headers = connection.headers
        identified = self._identify(headers)
        if isinstance(identified, str):
            assert self._tokens is not None  # noqa: S101 - it is a token
            identified = await self._tokens.principal(identified), frozenset()
        return self._with_forwarded(identified, headers)

    def try_authenticate(self, connection: Connection) -> Principal | None:
        """Return the caller if that needs no wait; None for a token that was not verified before.

        Raises:
            Unauthenticated: the credential is missing or invalid.
        """
        if self._is_open:
            return ANYONE
        headers = connection.headers
        identified = self._identify(headers)
        if isinstance(identified, str):
            principal = None if self._tokens is None else self._tokens.verified(identified)
            if principal is None:
                return None
            identified = principal, frozenset()
        return self._with_forwarded(identified, headers)

    def _with_forwarded(self, identified: "_Identified", headers: Mapping[str, str]) -> Principal:
        principal, consumed = identified
        return with_forwarded(principal, headers, self._forwards, consumed) if self._forwards else principal

    def _identify(self, headers: Mapping[str, str]) -> "_Identified | str":
        """Return the caller, and the headers that are not forwarded: no source may get API keys of the gateway.

        If the caller has sent a token, return that.
        """
        if self._keys is None and self._tokens is None:
            return _ANYONE
        key = headers.get(_API_KEY)
        authorization = headers.get(_AUTHORIZATION, "")
        if self._keys is not None and key is not None:
            # Some clients send the key in both headers, with a scheme or without one.
            return self._keys.principal(key), frozenset({_AUTHORIZATION} if key in authorization else ())
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthenticated(f"Authentication required: {self._instruction()}.")
        if self._keys is not None and (self._tokens is None or credential.count(".") != _DOTS_OF_A_TOKEN):
            return self._keys.principal(credential), frozenset({_AUTHORIZATION})
        return credential

    def _instruction(self) -> str:
        if self._tokens is None:
            return "send an API key as `X-API-Key: …` or as `Authorization: Bearer …`"
        key = "an API key as `X-API-Key: …`, or " if self._keys is not None else ""
        return f"send {key}a token as `Authorization: Bearer …`"


def with_forwarded(
    principal: Principal, headers: Mapping[str, str], forwards: Forwards, consumed: frozenset[str] = frozenset()
) -> Principal:
    """Return the caller with the headers that are forwarded to each source, except for the `consumed` ones.

    What the principal has for a source already is kept.
    """
    forwarded = {
        source: {
            source_header: value
            for header, source_header in names.items()
            if header not in consumed and (value := headers.get(header)) is not None
        }
        for source, names in forwards.items()
    }
    return replace(principal, forwarded=forwarded | dict(principal.forwarded))
