"""Fields that a lookup answers: the value in hand where it can be trusted, else the record's own endpoint.

Each gives a value or an awaitable of one, so that what is in hand costs no task.
"""

from collections.abc import Awaitable
from typing import Any

from gateway.users.ids import Ref, ref_of
from gateway.users.loaders import Loaders
from gateway.users.model import Department, Organization, Role
from gateway.users.planning import DETAILS

__all__ = ["expanded", "whole"]


def expanded(record: Role | Department, name: str, loaders: Loaders) -> Any | Awaitable[Any]:
    """A field that arrives only where it is included: from the record in hand, else from a batched lookup."""
    ref = ref_of(record)
    if loaders.plan.below(ref.kind, name) <= record.loaded or not ref.source_id:
        return getattr(record, name)
    return _field(loaders, ref, name)


def whole(record: Organization | Department | None, loaders: Loaders) -> Any | Awaitable[Any]:
    """A record that may be a bare reference: looked up where more than its identity is asked for."""
    if record is None or record.name is not None:
        return record
    ref = ref_of(record)
    return loaders.load(ref) if DETAILS in loaders.plan.of(ref.kind) else record


async def _field(loaders: Loaders, ref: Ref, name: str) -> Any:
    found = await loaders.load(ref)
    return None if found is None else getattr(found, name)
