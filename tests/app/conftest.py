"""Sources over a transport in memory, as the sources' tests have them."""

from sources.conftest import settings, source, wire

__all__ = ["settings", "source", "wire"]
