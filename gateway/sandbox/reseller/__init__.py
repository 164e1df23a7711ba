"""The simulated reseller API: the reseller part of the Cryptlex Web API v3 (docs/upstreams/reseller.md)."""

from gateway.sandbox.reseller.api import ResellerApi

__all__ = ["ResellerApi"]
