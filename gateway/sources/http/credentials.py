"""Credentials for the sources that the embedding program provides for each caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.principal import Principal

__all__ = ["Credential", "Credentials", "SharedCredentials"]


@dataclass(frozen=True, slots=True)
class Credential:
    """The headers with which a source is called for a caller, in place of the configured token.

    A header of another name is sent beside those of the settings, one of the same name instead of it, for example
    `OpenMRP-Account`. `expires` is in seconds since 1970; None: it is valid until the source refuses it with 401.
    """

    headers: Mapping[str, str] = field(repr=False)
    expires: float | None = None


class Credentials(Protocol):
    """Provides the credentials with which the sources are called for the callers."""

    async def __call__(self, source: str, principal: Principal, /) -> Credential | None:
        """Obtain a credential for one source and one caller; None: the source is called with the configured token.

        `principal` is `ANYONE` for all that is done for no caller: calls of the embedding program itself, polling, and
        pictures that a browser loads without a credential.

        The gateway keeps the credential and calls this again shortly before it expires, and after the source has
        refused it with 401: what is returned then has to be new. All calls that need it at the same time wait for one
        result. None is not kept.

        Raises:
            GatewayError: there is no credential for this caller; callers get this error. For another exception, or
                none in time, they get SourceCredentials or SourceTimeout.
        """


@runtime_checkable
class SharedCredentials(Protocol):
    """What a `Credentials` has in addition if several callers have the same credential."""

    def credential_key(self, source: str, principal: Principal, /) -> str | None:
        """Return a text that is equal for all callers with the same credential, for example the name of their tenant.

        They share the credential and the data that was read with it, so that fewer calls are necessary. It must not be
        a secret. None: the caller has none, and the source is called with the configured token.

        It is called several times for each request and for each call to a source, so it must be cheap.
        """
