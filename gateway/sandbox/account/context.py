"""What an endpoint of the account API gets to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.sandbox.account.versions import Version
from gateway.sandbox.exchange import Answer, Call
from gateway.sandbox.store import Store

__all__ = ["Context", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Context:
    """A call that has passed routing, limits, credentials and version."""

    store: Store
    call: Call
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


Endpoint = Callable[[Context], Answer]
