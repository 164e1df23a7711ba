"""The identity API (Augno, since August 2026 OpenMRP): account users, roles, departments."""

from gateway.sources.account.client import AccountSource

__all__ = ["AccountSource"]
