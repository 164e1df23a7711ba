"""The ids of records that a test adds: global ids outside, source ids inside the sandbox."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.sandbox import RESELLER_ID
from gateway.sandbox.seeding import (
    AccountDepartment,
    AccountRole,
    AccountUser,
    ResellerOrganization,
    ResellerUser,
    SeedRecord,
    SoftwareOneUser,
)
from gateway.testing.names import SourceName
from gateway.users.ids import Kind, Ref, decode, encode, resolve
from gateway.users.model import UserSource

__all__ = ["global_id", "user_ref", "with_source_ids"]

_KINDS: Mapping[type[Any], tuple[Kind, UserSource]] = {
    AccountUser: (Kind.USER, UserSource.ACCOUNT),
    AccountRole: (Kind.ROLE, UserSource.ACCOUNT),
    AccountDepartment: (Kind.DEPARTMENT, UserSource.ACCOUNT),
    SoftwareOneUser: (Kind.USER, UserSource.SOFTWAREONE),
    ResellerUser: (Kind.USER, UserSource.RESELLER),
    ResellerOrganization: (Kind.ORGANIZATION, UserSource.RESELLER),
}
_REFERENCES = ("role", "department", "organization")


def global_id(record: SeedRecord, source_id: str) -> str:
    """Return the global id of a record that was added with this source id."""
    kind, source = _KINDS[type(record)]
    tenant = RESELLER_ID if source is UserSource.RESELLER else ""
    return encode(Ref(kind, source, source_id, tenant))


def user_ref(user_id: str, source: SourceName | None) -> Ref:
    """Return the reference to a user by its global id, or by its source id where the source is given."""
    return resolve(user_id, Kind.USER, source=None if source is None else UserSource(source))


def with_source_ids(record: SeedRecord) -> SeedRecord:
    """Return the record with references by source ids instead of global ids."""
    changes = {}
    for name in _REFERENCES:
        ref = decode(getattr(record, name, None) or "")
        if ref is not None:
            changes[name] = ref.source_id
    return msgspec.structs.replace(record, **changes) if changes else record
