"""The composition root: builds sources, service and surfaces out of the settings."""

from gateway.app.gateway import Gateway

__all__ = ["Gateway"]
