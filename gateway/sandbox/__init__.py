"""A faithful simulator of the three systems behind the gateway, for demos and tests.

It imports nothing else of `gateway`: it is the other side of the wire.
"""

from gateway.sandbox.app import Sandbox, SandboxOptions
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
    "Sandbox",
    "SandboxOptions",
]
