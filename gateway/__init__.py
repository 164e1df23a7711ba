"""One GraphQL API over three user systems; this is how it is embedded in another program."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import Settings

__all__ = ["Gateway", "Settings"]

_HOMES = {"Gateway": "gateway.app", "Settings": "gateway.settings"}


def __getattr__(name: str) -> Any:
    """The two, imported when they are asked for: the command has something to set before it imports all that."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
