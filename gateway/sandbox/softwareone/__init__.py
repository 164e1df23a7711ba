"""The softwareone system: the user part of the SoftwareOne Marketplace API (notes: softwareone.md)."""

from gateway.sandbox.softwareone.api import SoftwareOneApi

__all__ = ["SoftwareOneApi"]
