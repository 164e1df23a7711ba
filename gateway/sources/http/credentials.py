"""Credentials for the sources that the embedding program provides for each caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.operation import Principal

__all__ = ["Credential", "Credentials"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a source is called with for one caller: these headers replace the configured ones of the same name.

    `expires` is in seconds since 1970; None: it is valid until the source refuses it with 401.
    """

    headers: Mapping[str, str] = field(repr=False)
    expires: float | None = None


class Credentials(Protocol):
    """Provides the credential with which a source is called for a principal."""

    async def __call__(self, source: str, principal: Principal) -> Credential | None:
        """Return a valid credential; None: the source is called with the configured one.

        It is called once for all calls that wait for it, and again before the credential expires or after the source
        has refused it.

        Raises:
            Unauthenticated: there is no credential for this principal.
        """
