"""The argument of every endpoint of the account API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.sandbox.account.versions import Version
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.store import Store

__all__ = ["AccountContext", "Endpoint"]


@dataclass(frozen=True, slots=True)
class AccountContext:
    """A request that passed routing, rate limit, authentication and version check."""

    store: Store
    request: SandboxRequest
    values: Mapping[str, str]
    version: Version
    route: str
    request_id: str

    @property
    def id(self) -> str:
        """The `{id}` in the path."""
        return self.values["id"]

    @property
    def april(self) -> bool:
        """Whether the response has the form of April 2026."""
        return self.version.april


Endpoint = Callable[[AccountContext], SandboxResponse]
