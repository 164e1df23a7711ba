"""Callers: who they are, and the credentials with which sources are called for them. Part of the public API."""

from gateway.callers.authentication import Authenticate
from gateway.callers.connection import Connection, Surface
from gateway.principal import ANYONE, Action, Principal
from gateway.sources.http.credentials import Credential, Credentials, SharedCredentials

__all__ = [
    "ANYONE",
    "Action",
    "Authenticate",
    "Connection",
    "Credential",
    "Credentials",
    "Principal",
    "SharedCredentials",
    "Surface",
]
