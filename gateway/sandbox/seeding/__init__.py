"""Adds single records to the sandbox, beside those that it starts with."""

from gateway.sandbox.seeding.records import (
    AccountDepartment,
    AccountRole,
    AccountUser,
    ResellerOrganization,
    ResellerUser,
    SeedRecord,
    SoftwareOneUser,
)
from gateway.sandbox.seeding.seeding import SeedError, Seeding

__all__ = [
    "AccountDepartment",
    "AccountRole",
    "AccountUser",
    "ResellerOrganization",
    "ResellerUser",
    "SeedError",
    "SeedRecord",
    "Seeding",
    "SoftwareOneUser",
]
