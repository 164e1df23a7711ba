"""The account source: an identity API (OpenMRP, until August 2026 Augno) with users, roles and departments."""

from gateway.sources.account.client import AccountSource

__all__ = ["AccountSource"]
