"""Fixtures for sources over a transport in memory, from the tests of the sources, and the settings of a sandbox."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sources.conftest import fake, raw, settings, source

from gateway import Settings
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    SandboxOptions,
    SandboxServer,
)

__all__ = ["fake", "raw", "sandbox", "sandbox_settings", "settings", "source"]


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    """The three sandbox APIs, without rate limits."""
    async with SandboxServer(SandboxOptions(users=8, rate_limits=False)) as running:
        yield running


@pytest.fixture
def sandbox_settings(sandbox: SandboxServer) -> Callable[..., Settings]:
    """A function that returns the settings for the sandbox; a dictionary replaces settings of a source by its name."""

    def make(**replaced: Any) -> Settings:
        sources: dict[str, dict[str, Any]] = {
            "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
            "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
            "reseller": {"base_url": sandbox.reseller_url, "token": RESELLER_TOKEN, "reseller_id": RESELLER_ID},
        }
        of_sources = {name: source | replaced.pop(name, {}) for name, source in sources.items()}
        return Settings(**of_sources, **replaced)

    return make
