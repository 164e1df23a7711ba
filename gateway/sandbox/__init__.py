"""Simulates the three sources of the gateway over HTTP, for demonstrations and tests.

It imports nothing else of `gateway`, so that it cannot repeat a mistake of the gateway.
"""

from gateway.sandbox.app import SandboxOptions, SandboxServer
from gateway.sandbox.credentials import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
)
from gateway.sandbox.people import LANDMARKS

__all__ = [
    "ACCOUNT_ID",
    "ACCOUNT_TOKEN",
    "LANDMARKS",
    "RESELLER_ID",
    "RESELLER_TOKEN",
    "SOFTWAREONE_TOKEN",
    "WEBHOOK_TOKEN",
    "SandboxOptions",
    "SandboxServer",
]
