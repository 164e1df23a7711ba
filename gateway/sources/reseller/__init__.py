"""The reseller licensing API (Cryptlex, web API v3): users and organizations of a reseller."""

from gateway.sources.reseller.client import ResellerSource

__all__ = ["ResellerSource"]
