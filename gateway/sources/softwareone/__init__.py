"""The SoftwareOne Marketplace: users of accounts, RQL lists, an update by multipart PUT."""

from gateway.sources.softwareone.client import SoftwareOneSource

__all__ = ["SoftwareOneSource"]
