"""Sources over a transport in memory, as the sources' tests have them."""

from sources.conftest import fake, settings, source

__all__ = ["fake", "settings", "source"]
