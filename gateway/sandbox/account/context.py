"""What an endpoint of the account API gets to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.sandbox.account.versions import Version
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.store import Store

__all__ = ["AccountContext", "Endpoint"]


@dataclass(frozen=True, slots=True)
class AccountContext:
    """A call that has passed routing, limits, credentials and version."""

    store: Store
    call: SandboxRequest
    values: Mapping[str, str]
    version: Version
    route: str
    request_id: str

    @property
    def id(self) -> str:
        """The `{id}` of the path."""
        return self.values["id"]

    @property
    def april(self) -> bool:
        """Whether April's form is spoken."""
        return self.version.april


Endpoint = Callable[[AccountContext], SandboxResponse]
