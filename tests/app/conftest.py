"""Fixtures for sources over a transport in memory, from the tests of the sources."""

from sources.conftest import fake, settings, source

__all__ = ["fake", "settings", "source"]
