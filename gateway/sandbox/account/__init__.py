"""The account system: an identity API as Augno/OpenMRP publishes it (notes: account.md)."""

from gateway.sandbox.account.api import AccountApi

__all__ = ["AccountApi"]
