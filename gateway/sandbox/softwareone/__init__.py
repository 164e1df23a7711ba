"""The simulated softwareone API: the user part of the SoftwareOne Marketplace API (docs/upstreams/softwareone.md)."""

from gateway.sandbox.softwareone.api import SoftwareOneApi

__all__ = ["SoftwareOneApi"]
