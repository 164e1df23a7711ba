"""The reseller source (Cryptlex Web API v3): the users and organizations of a reseller."""

from gateway.sources.reseller.client import ResellerSource

__all__ = ["ResellerSource"]
