"""The softwareone source: the users of the SoftwareOne Marketplace."""

from gateway.sources.softwareone.client import SoftwareOneSource

__all__ = ["SoftwareOneSource"]
