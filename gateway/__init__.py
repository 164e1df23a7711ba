"""One API over three user sources. `Gateway` and `Settings` are for programs that embed it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import Settings

__all__ = ["Gateway", "Settings"]

_MODULES = {"Gateway": "gateway.app", "Settings": "gateway.settings"}


def __getattr__(name: str) -> Any:
    """Import `Gateway` or `Settings` on first use: the command configures garbage collection before these imports."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
