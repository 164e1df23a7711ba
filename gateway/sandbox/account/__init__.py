"""The simulated account API: the identity API of OpenMRP, formerly Augno (docs/upstreams/account.md)."""

from gateway.sandbox.account.api import AccountApi

__all__ = ["AccountApi"]
