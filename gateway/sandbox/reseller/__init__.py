"""The reseller system: the reseller part of the Cryptlex web API v3 (notes: reseller.md)."""

from gateway.sandbox.reseller.api import ResellerApi

__all__ = ["ResellerApi"]
