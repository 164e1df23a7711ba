"""The composition root: settings → sources → service → surfaces. Only in here are things built out of others."""

from gateway.app.gateway import Gateway

__all__ = ["Gateway"]
