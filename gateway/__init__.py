"""One GraphQL API over three user systems; this is how it is embedded in another program."""

from gateway.app import Gateway
from gateway.settings import Settings

__all__ = ["Gateway", "Settings"]
